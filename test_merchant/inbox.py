"""The last webhooks that came, and which events were seen before. Memory only, bounded."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import Any

KEPT = 500
KEPT_REFUSED = 100
REMEMBERED_IDS = 10 * KEPT
LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True)
class Arrival:
    """One webhook post as the shop saw it. `answer` is the HTTP status it was answered with."""

    received_at: str
    answer: int
    signature_ok: bool
    standard_ok: bool | None
    attempt: int | None
    id: str | None = None
    event: str | None = None
    sequence: int | None = None
    payment_id: str | None = None
    order_id: str | None = None
    status: str | None = None
    repeat: bool = False


def shown(event: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event that an arrival shows."""
    data = _object(event, "data")
    payment = _object(data, "payment")
    sequence = event.get("sequence")
    return {
        "id": _text(event, "id"),
        "event": _text(event, "event"),
        "sequence": sequence if type(sequence) is int and 0 <= sequence < 2**63 else None,
        "payment_id": _text(payment, "id"),
        "order_id": _text(payment, "order_id"),
        "status": _text(_object(data, "refund") or payment, "status"),
    }


class Inbox:
    def __init__(self) -> None:
        # Refused posts have a shelf of their own: a flood of forgeries must not push out the real ones.
        self._verified: deque[tuple[int, Arrival]] = deque(maxlen=KEPT)
        self._refused: deque[tuple[int, Arrival]] = deque(maxlen=KEPT_REFUSED)
        self._seen_ids: OrderedDict[str, None] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def add(self, arrival: Arrival) -> bool:
        """Keep it, and say whether it was accepted and its id is new.

        This is for the page, and forgets. What the shop does, it does by its books.
        """
        with self._lock:
            is_accepted = arrival.answer == 200
            repeat = is_accepted and arrival.id in self._seen_ids
            if is_accepted and arrival.id:
                self._remember(arrival.id)
            self._count += 1
            shelf = self._verified if arrival.signature_ok else self._refused
            shelf.append((self._count, replace(arrival, repeat=repeat)))
            return is_accepted and not repeat

    def newest_first(self) -> list[Arrival]:
        with self._lock:
            numbered = [*self._verified, *self._refused]
        return [arrival for _, arrival in sorted(numbered, key=lambda pair: pair[0], reverse=True)]

    def clear(self) -> None:
        """Forget everything, the ids too."""
        with self._lock:
            self._verified.clear()
            self._refused.clear()
            self._seen_ids.clear()

    def _remember(self, event_id: str) -> None:
        self._seen_ids[event_id] = None
        self._seen_ids.move_to_end(event_id)
        if len(self._seen_ids) > REMEMBERED_IDS:
            self._seen_ids.popitem(last=False)


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str | None:
    """A short text that a page can show: JSON may hold lone surrogates, UTF-8 may not."""
    value = fields.get(name)
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else None
