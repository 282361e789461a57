"""Events: what happened, in the order in which it happened.

An event is written in the transaction in which it happens (`emit`). The worker
then gives it its place in the merchant's sequence and makes a delivery for each
endpoint that wants it (`fan_out`), so requests never queue up behind a counter.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import count, groupby
from typing import Any

import orjson
from sqlalchemy import select

from gateway.core import clock, config
from gateway.core.db import add_row, fetch_all, gathered, later, ring, session
from gateway.core.errors import NotFound
from gateway.core.ids import is_id, new_id, new_uuid
from gateway.core.statements import Statement, moment, update_many
from gateway.domain import wire
from gateway.models import Delivery, Event
from gateway.models.webhooks import Address, Waiting

FAN_OUT_BATCH = 500

_WAITING = Statement(
    "SELECT position, id, CAST(merchant_id AS text), event, data, endpoint_id, created_at"
    " FROM events WHERE sequence IS NULL ORDER BY position LIMIT :limit FOR UPDATE"
)
_ADVANCE = Statement(
    "INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :by)"
    " ON CONFLICT (merchant_id) DO UPDATE"
    " SET last_sequence = event_counters.last_sequence + excluded.last_sequence"
    " RETURNING last_sequence, clock_timestamp()"
)
_USABLE = Statement(
    "SELECT id, CAST(merchant_id AS text), url, secret_encrypted, CAST(events AS text) FROM webhook_endpoints"
    " WHERE is_enabled AND url IS NOT NULL"
    " AND merchant_id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text(:merchants)))"
)
_NUMBER_EVENT = Statement(
    "UPDATE events SET sequence = :sequence WHERE position = :position",
    update_many("events", "sequence = r.sequence", "position bigint, sequence bigint"),
)

# A new delivery's values, where it goes, and the database's clock; may make it one that is under way.
Start = Callable[[dict[str, Any], Address, datetime], None]


def _leave(_delivery: dict[str, Any], _address: Address, _now: datetime) -> None:
    """Whoever claims due deliveries finds it."""


def emit(
    merchant_id: str, event: str, payment: wire.Json, *, endpoint_id: str | None = None, **more: wire.Json
) -> str:
    """Write an event in the caller's transaction and return its id.

    Its data carries the payment and what `more` names. With `endpoint_id` only
    that endpoint hears of it.
    """
    event_id = new_id("evt")
    add_row(
        Event,
        id=event_id,
        merchant_id=merchant_id,
        payment_id=payment["id"],
        event=event,
        data=wire.encode(more | {"payment": payment}),
        endpoint_id=endpoint_id,
        created_at=clock.now(),
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
    if not is_all:
        ring("webhooks")
    events = [_waiting(*row[1:]) for row in rows]
    events += [_waiting(*(new[name] for name in Waiting._fields)) for new in own]
    if not events:
        return 0
    sequences, now = _number(events)
    for row, sequence in zip(rows, sequences, strict=False):
        later(_NUMBER_EVENT, position=row[0], sequence=sequence)
    for new, sequence in zip(own, sequences[len(rows) :], strict=True):
        new["sequence"] = sequence
    addresses = _usable_addresses({event.merchant_id for event in events})
    for event, sequence in zip(events, sequences, strict=True):
        for address in addresses.get(event.merchant_id, []):
            if _wants(address, event):
                delivery = _delivery(event, sequence, address)
                start(delivery, address, now)
                add_row(Delivery, **delivery)
    return len(events)


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


def _number(events: Sequence[Waiting]) -> tuple[list[int], datetime]:
    """The sequence of each event, and the database's clock; counters are locked in the merchants' order."""
    sequences = [0] * len(events)
    own = sorted(range(len(events)), key=lambda at: (events[at].merchant_id, at))
    for merchant_id, group in groupby(own, key=lambda at: events[at].merchant_id):
        places = list(group)
        ((last, now),) = fetch_all(_ADVANCE, merchant_id=merchant_id, by=len(places))
        for place, sequence in zip(places, count(last - len(places) + 1), strict=False):
            sequences[place] = sequence
    return sequences, moment(now)


def _usable_addresses(merchant_ids: Collection[str]) -> dict[str, list[Address]]:
    """Where events of these merchants may go."""
    found: dict[str, list[Address]] = {}
    for row in fetch_all(_USABLE, merchants=orjson.dumps(list(merchant_ids)).decode()):
        wanted = None if row[4] is None else frozenset(orjson.loads(row[4]))
        address = Address(*row[:4])._replace(events=wanted)
        found.setdefault(address.merchant_id, []).append(address)
    return found


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
