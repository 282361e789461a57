"""Events: what happened, in the order in which it happened.

An event is written in the transaction in which it happens (`emit`). The worker
then gives it its place in the merchant's sequence and makes a delivery for each
endpoint that wants it (`fan_out`), so requests never queue up behind a counter.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import count, groupby
from typing import Any

from sqlalchemy import select, text

from gateway.core import clock, config
from gateway.core.db import add_row, later, ring, session
from gateway.core.errors import NotFound
from gateway.core.ids import is_id, new_id, new_uuid
from gateway.core.statements import Statement
from gateway.domain import endpoints, wire
from gateway.models import Delivery, Endpoint, Event
from gateway.models.base import seconds_from_now

FAN_OUT_BATCH = 500

_ADVANCE = text(
    "INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :by)"
    " ON CONFLICT (merchant_id) DO UPDATE SET last_sequence = event_counters.last_sequence + :by"
    " RETURNING last_sequence"
)
_NUMBER_EVENT = Statement(
    "UPDATE events SET sequence = :sequence WHERE position = :position",
    "UPDATE events SET sequence = r.sequence"
    " FROM json_to_recordset(:rows) AS r (position bigint, sequence bigint)"
    " WHERE events.position = r.position",
)

# A new delivery's values, its endpoint, and the database's clock; may make it one that is under way.
Start = Callable[[dict[str, Any], Endpoint, datetime], None]


def _leave(_delivery: dict[str, Any], _endpoint: Endpoint, _now: datetime) -> None:
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
    """
    waiting = (
        select(*Event.__table__.columns, seconds_from_now().label("now"))
        .where(Event.sequence.is_(None))
        .order_by(Event.position)
        .limit(FAN_OUT_BATCH)
        .with_for_update()
    )
    events: Sequence[Any] = session().execute(waiting).all()
    if not events:
        return 0
    sequences = _number(events)
    wanting = _usable_endpoints({event.merchant_id for event in events})
    for event in events:
        later(_NUMBER_EVENT, position=event.position, sequence=sequences[event.position])
    for event in events:
        for endpoint in wanting.get(event.merchant_id, []):
            if _wants(endpoint, event):
                delivery = _delivery(event, sequences[event.position], endpoint)
                start(delivery, endpoint, event.now)
                add_row(Delivery, **delivery)
    return len(events)


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


def _number(events: Sequence[Event]) -> dict[int, int]:
    """The sequence of each event by its position; counters are locked in the merchants' order."""
    sequences: dict[int, int] = {}
    own = sorted(events, key=lambda event: (event.merchant_id, event.position))
    for merchant_id, group in groupby(own, key=lambda event: event.merchant_id):
        positions = [event.position for event in group]
        first = _advance_counter(merchant_id, len(positions)) - len(positions) + 1
        sequences.update(zip(positions, count(first), strict=False))
    return sequences


def _advance_counter(merchant_id: str, by: int) -> int:
    last: int = session().scalars(_ADVANCE, {"merchant_id": merchant_id, "by": by}).one()
    return last


def _usable_endpoints(merchant_ids: Collection[str]) -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in session().scalars(select(Endpoint).where(Endpoint.merchant_id.in_(merchant_ids))):
        if endpoints.is_usable(endpoint):
            found.setdefault(endpoint.merchant_id, []).append(endpoint)
    return found


def _wants(endpoint: Endpoint, event: Event) -> bool:
    if event.endpoint_id is not None:
        return endpoint.id == event.endpoint_id
    return endpoint.events is None or event.event in endpoint.events


def _delivery(event: Event, sequence: int, endpoint: Endpoint) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": new_uuid(),
        "merchant_id": event.merchant_id,
        "event_id": event.id,
        "endpoint_id": endpoint.id,
        "event": event.event,
        "payload": wire.event_body(event, sequence),
        "status": "pending",
        "attempts": 0,
        "next_retry_at": now + timedelta(seconds=config.current().webhook_retry_intervals_s[0]),
        "created_at": now,
    }
