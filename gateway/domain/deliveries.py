"""Deliveries: one event on its way to one endpoint, and every attempt at it."""

from sqlalchemy import ColumnElement, func, or_, select, update

from gateway.core import clock, signing
from gateway.core.db import ring, session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_uuid
from gateway.domain import audit, endpoints, events, wire
from gateway.models import Attempt, Delivery, Endpoint, Event, Payment
from gateway.models.webhooks import TEST_EVENT

# How many deliveries one retry of all failed ones takes up; asked again, it goes on.
RETRIED_AT_ONCE = 1000


def get(merchant_id: str, delivery_id: str) -> Delivery:
    """This merchant's delivery. Raises NotFound for anybody else's and for ids of the wrong form."""
    row = session().get(Delivery, delivery_id) if is_uuid(delivery_id) else None
    if row is None or row.merchant_id != merchant_id:
        raise NotFound("Webhook log not found")
    return row


def endpoint_of(delivery: Delivery) -> Endpoint:
    """Where it goes; a changed address is a changed endpoint, so this is how it is today."""
    endpoint = session().get(Endpoint, delivery.endpoint_id)
    assert endpoint is not None
    return endpoint


def attempts_of(delivery: Delivery) -> list[Attempt]:
    return list(
        session().scalars(
            select(Attempt).where(Attempt.delivery_id == delivery.id).order_by(Attempt.started_at)
        )
    )


def retry(merchant_id: str, actor: str, delivery_id: str) -> None:
    """Begin a new series of attempts now, also for a delivery that succeeded.

    One whose attempt is under way is not sent twice: its lease stands, and that
    attempt becomes the first of the new series.

    raises  NotFound  not this merchant's, or no such delivery
    """
    changed = is_uuid(delivery_id) and session().scalar(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.merchant_id == merchant_id)
        .values(attempts=0, status="pending", next_retry_at=clock.now())
        .returning(Delivery.id)
    )
    if not changed:
        raise NotFound("Webhook log not found")
    audit.note(merchant_id, actor, "webhook.retried", delivery_id)
    ring("webhooks")


def retry_failed(merchant_id: str, actor: str, event: str | None = None) -> int:
    """Begin a new series of attempts for the oldest failed deliveries and say for how many.

    event  only those of this event

    Takes at most `RETRIED_AT_ONCE`. One that somebody else retries at this very
    moment is left to them.
    """
    oldest = (
        select(Delivery.id)
        .where(*_failed(merchant_id, event))
        .order_by(Delivery.created_at, Delivery.id)
        .limit(RETRIED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    # Asked for by itself: as a part of the UPDATE, PostgreSQL may run it twice and so pass the limit.
    ids = session().scalars(oldest).all()
    retried = session().scalars(
        update(Delivery)
        .where(Delivery.id.in_(ids), Delivery.status == "failed")
        .values(attempts=0, status="pending", next_retry_at=clock.now())
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    count = len(retried.all())
    if count:
        audit.note(merchant_id, actor, "webhook.retried_failed", f"{count} of {event or 'every event'}")
        ring("webhooks")
    return count


def count_failed(merchant_id: str, event: str | None = None) -> int:
    """How many deliveries `retry_failed` would take up now."""
    found = select(Delivery.id).where(*_failed(merchant_id, event)).limit(RETRIED_AT_ONCE)
    return session().scalar(select(func.count()).select_from(found.subquery())) or 0


def _failed(merchant_id: str, event: str | None) -> list[ColumnElement[bool]]:
    found = [Delivery.status == "failed", Delivery.merchant_id == merchant_id]
    return found if event is None else [*found, Delivery.event == event]


def are_under_way(merchant_id: str) -> bool:
    """Whether events of the merchant are to come or wait for deliveries, or one of these for its end."""
    new = select(Payment.id).where(~Payment.is_announced, Payment.merchant_id == merchant_id)
    waiting = select(Event.id).where(Event.sequence.is_(None), Event.merchant_id == merchant_id)
    pending = select(Delivery.id).where(Delivery.status == "pending", Delivery.merchant_id == merchant_id)
    return session().scalar(select(or_(new.exists(), waiting.exists(), pending.exists()))) or False


def rebuilt_headers(delivery: Delivery, endpoint: Endpoint, attempt: Attempt) -> dict[str, str]:
    """The headers of an attempt as far as they can be made again: signed with the secret of today."""
    return signing.headers(
        event_id=delivery.event_id,
        event=delivery.event,
        body=delivery.payload.encode(),
        secret=endpoints.secret_of(endpoint),
        attempt=attempt.number,
        timestamp=int(attempt.started_at.timestamp()),
    )


def send_test(merchant_id: str, actor: str) -> str:
    """Really send a `webhook.test` event to the default endpoint and return the event's id.

    raises  BadRequest  there is no address to send it to, or it was disabled
    """
    endpoint = endpoints.default(merchant_id)
    if endpoint.url is not None and not endpoint.is_enabled:
        reason = endpoint.disabled_reason or "The endpoint is disabled"
        raise BadRequest(f"{reason}; save the address again to enable it", field="webhook_url")
    if not endpoints.is_usable(endpoint):
        raise BadRequest("Save a webhook URL before sending a test", field="webhook_url")
    audit.note(merchant_id, actor, "webhook.tested", endpoint.id)
    return events.emit(merchant_id, TEST_EVENT, wire.sample_payment(), endpoint_id=endpoint.id)
