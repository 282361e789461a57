"""Events: what happened, in the order in which it happened.

An event is written in the transaction in which it happens (`emit`). The worker
then gives it its place in the merchant's sequence and makes a delivery for each
endpoint that wants it (`fan_out`), so requests never queue up behind a counter.
That a payment has begun is told by its own row, until a worker has it in hand
anyway and writes the events of that, too (announcing.py).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from gateway.core import clock, config
from gateway.core.db import add_row, fetch_all, fetch_many, gathered, hush, later, ring, session
from gateway.core.errors import NotFound
from gateway.core.ids import is_id, new_id, new_uuid
from gateway.core.statements import Statement, moment, update_each
from gateway.domain import wire
from gateway.models import Delivery, Event
from gateway.models.webhooks import TEST_EVENT, Address, Waiting

FAN_OUT_BATCH = 500

_WAITING = Statement(
    "SELECT position, id, CAST(merchant_id AS text), event, data, endpoint_id, created_at"
    " FROM events WHERE sequence IS NULL ORDER BY position LIMIT :limit FOR UPDATE"
)
# With the counter comes all else that making deliveries needs: the database's clock, and where they may go.
_ADVANCED = (
    " ON CONFLICT (merchant_id) DO UPDATE"
    " SET last_sequence = event_counters.last_sequence + excluded.last_sequence"
    " RETURNING CAST(merchant_id AS text), last_sequence, clock_timestamp(),"
    " (SELECT CAST(json_agg(json_build_array(id, url, secret_encrypted, CAST(events AS text))) AS text)"
    " FROM webhook_endpoints AS e"
    " WHERE e.merchant_id = event_counters.merchant_id AND is_enabled AND url IS NOT NULL)"
)
_ADVANCE = Statement(
    f"INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :by){_ADVANCED}",
    "INSERT INTO event_counters (merchant_id, last_sequence)"
    " SELECT merchant_id, by FROM json_to_recordset(:rows) AS r (merchant_id uuid, by bigint)"
    f" ORDER BY merchant_id{_ADVANCED}",
)
_NUMBER_EVENT = update_each("events", "sequence = r.sequence", "position bigint, sequence bigint")

# A new delivery's values, where it goes, and the database's clock; may make it one that is under way.
Start = Callable[[dict[str, Any], Address, datetime], None]


def _leave(_delivery: dict[str, Any], _address: Address, _now: datetime) -> None:
    """Whoever claims due deliveries finds it."""


def emit(
    merchant_id: str,
    event: str,
    payment: wire.Json,
    *,
    endpoint_id: str | None = None,
    at: datetime | None = None,
    **more: wire.Json,
) -> str:
    """Write an event in the caller's transaction and return its id.

    Its data carries the payment and what `more` names. With `endpoint_id` only
    that endpoint hears of it. `at` is when it happened, if not now.

    raises  Conflict  at the commit, where this was told already: once for each payment, or each refund
    """
    event_id = new_id("evt")
    add_row(
        Event,
        id=event_id,
        merchant_id=merchant_id,
        payment_id=None if event == TEST_EVENT else payment["id"],
        event=event,
        refund_id=more["refund"]["id"] if "refund" in more else "",
        data=wire.encode(more | {"payment": payment}),
        endpoint_id=endpoint_id,
        created_at=at or clock.now(),
    )
    ring("webhooks")
    return event_id


def fan_out(start: Start = _leave) -> int:
    """Give waiting events their sequence and make their deliveries; says how many events it took.

    start   is shown each delivery before it is written, in the order of the events

    The oldest waiting events are locked in the order of their writing, so two
    workers take turns and each merchant's sequence has neither gap nor twin.
    What the caller's own unit of work has emitted comes after them, unless more wait.
    """
    rows = fetch_all(_WAITING, limit=FAN_OUT_BATCH)
    is_all = len(rows) < FAN_OUT_BATCH
    own = gathered(Event) if is_all else []
    (hush if is_all else ring)("webhooks")
    events = [_waiting(*row[1:]) for row in rows]
    events += [_waiting(*(new[name] for name in Waiting._fields)) for new in own]
    if not events:
        return 0
    counters = _advance(events)
    sequences = [counters[event.merchant_id].take() for event in events]
    for row, sequence in zip(rows, sequences, strict=False):
        later(_NUMBER_EVENT, position=row[0], sequence=sequence)
    for new, sequence in zip(own, sequences[len(rows) :], strict=True):
        new["sequence"] = sequence
    for event, sequence in zip(events, sequences, strict=True):
        counter = counters[event.merchant_id]
        for address in counter.addresses:
            if _wants(address, event):
                delivery = _delivery(event, sequence, address)
                start(delivery, address, counter.now)
                add_row(Delivery, **delivery)
    return len(events)


@dataclass
class _Counter:
    """A merchant's sequence while events take their places in it."""

    next_sequence: int
    now: datetime
    addresses: list[Address]

    def take(self) -> int:
        self.next_sequence += 1
        return self.next_sequence - 1


def _advance(events: Sequence[Waiting]) -> dict[str, _Counter]:
    """Reserve a place for each event; the counters are locked in the merchants' order until the commit."""
    by = Counter(event.merchant_id for event in events)
    advanced = fetch_many(_ADVANCE, ({"merchant_id": at, "by": by[at]} for at in sorted(by)))
    return {
        merchant_id: _Counter(last - by[merchant_id] + 1, moment(now), _addresses(merchant_id, endpoints))
        for merchant_id, last, now, endpoints in advanced
    }


def _addresses(merchant_id: str, endpoints: str | None) -> list[Address]:
    return [
        Address(
            endpoint_id, merchant_id, url, secret, None if wanted is None else frozenset(orjson.loads(wanted))
        )
        for endpoint_id, url, secret, wanted in orjson.loads(endpoints or "[]")
    ]


def _waiting(*values: Any) -> Waiting:
    event = Waiting(*values)
    return event._replace(created_at=moment(event.created_at))


def page(merchant_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
    """The merchant's events behind this sequence, in order and without a gap; and whether more follow."""
    found = (
        session()
        .scalars(
            select(Event)
            .where(Event.merchant_id == merchant_id, Event.sequence > after)
            .order_by(Event.sequence)
            .limit(limit + 1)
        )
        .all()
    )
    return found[:limit], len(found) > limit


def get(merchant_id: str, event_id: str) -> Event:
    """This merchant's event, once it has its place in the sequence. Raises NotFound."""
    event = session().scalar(select(Event).where(Event.id == event_id)) if is_id("evt", event_id) else None
    if event is None or event.merchant_id != merchant_id or event.sequence is None:
        raise NotFound("Event not found")
    return event


def _wants(address: Address, event: Waiting) -> bool:
    if event.endpoint_id is not None:
        return address.id == event.endpoint_id
    return address.events is None or event.event in address.events


def _delivery(event: Waiting, sequence: int, address: Address) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": new_uuid(),
        "merchant_id": event.merchant_id,
        "event_id": event.id,
        "endpoint_id": address.id,
        "event": event.event,
        "payload": wire.event_body(event, sequence),
        "status": "pending",
        "attempts": 0,
        "next_retry_at": now + timedelta(seconds=config.current().webhook_retry_intervals_s[0]),
        "created_at": now,
    }
