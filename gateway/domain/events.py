"""Events: what happened, in the order in which it happened.

An event is written in the transaction in which it happens (`emit`). The worker
then gives it its place in the merchant's sequence and makes a delivery for each
endpoint that wants it (`fan_out`), so requests never queue up behind a counter.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count, groupby
from typing import Any

import orjson
from sqlalchemy import select

from gateway.core import clock, config
from gateway.core.db import add_row, fetch_all, flush, later, ring, session
from gateway.core.errors import NotFound
from gateway.core.ids import is_id, new_id, new_uuid
from gateway.core.statements import Statement, moment, update_many
from gateway.domain import wire
from gateway.models import Delivery, Event
from gateway.models.webhooks import Address, Waiting

FAN_OUT_BATCH = 500

_WAITING = Statement(
    "SELECT position, id, CAST(merchant_id AS text), event, data, endpoint_id, created_at, clock_timestamp()"
    " FROM events WHERE sequence IS NULL ORDER BY position LIMIT :limit FOR UPDATE"
)
_ADVANCE = Statement(
    "INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :by)"
    " ON CONFLICT (merchant_id) DO UPDATE"
    " SET last_sequence = event_counters.last_sequence + excluded.last_sequence RETURNING last_sequence"
)
_USABLE = Statement(
    "SELECT id, CAST(merchant_id AS text), url, secret_encrypted, CAST(events AS text) FROM webhook_endpoints"
    " WHERE is_enabled AND url IS NOT NULL AND merchant_id IN"
    " (SELECT merchant_id FROM events WHERE sequence IS NULL AND position BETWEEN :first AND :last)"
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

    Those that the caller's own unit of work has written are taken up, too.
    The oldest waiting events are locked in the order of their writing, so two
    workers take turns and each merchant's sequence has neither gap nor twin.
    """
    flush()
    events = [_waiting(row) for row in fetch_all(_WAITING, limit=FAN_OUT_BATCH)]
    if not events:
        return 0
    sequences = _number(events)
    addresses = _usable_addresses(events[0].position, events[-1].position)
    for event in events:
        later(_NUMBER_EVENT, position=event.position, sequence=sequences[event.position])
    for event in events:
        for address in addresses.get(event.merchant_id, []):
            if _wants(address, event):
                delivery = _delivery(event, sequences[event.position], address)
                start(delivery, address, event.now)
                add_row(Delivery, **delivery)
    if len(events) == FAN_OUT_BATCH:
        ring("webhooks")  # there may be more
    return len(events)


def _waiting(row: tuple[Any, ...]) -> Waiting:
    return Waiting(*row)._replace(created_at=moment(row[6]), now=moment(row[7]))


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


def _number(events: Sequence[Waiting]) -> dict[int, int]:
    """The sequence of each event by its position; counters are locked in the merchants' order."""
    sequences: dict[int, int] = {}
    own = sorted(events, key=lambda event: (event.merchant_id, event.position))
    for merchant_id, group in groupby(own, key=lambda event: event.merchant_id):
        positions = [event.position for event in group]
        ((last,),) = fetch_all(_ADVANCE, merchant_id=merchant_id, by=len(positions))
        sequences.update(zip(positions, count(last - len(positions) + 1), strict=False))
    return sequences


def _usable_addresses(first: int, last: int) -> dict[str, list[Address]]:
    """Where these events may go, by merchant."""
    found: dict[str, list[Address]] = {}
    for row in fetch_all(_USABLE, first=first, last=last):
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
