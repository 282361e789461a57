"""Deliveries: one event on its way to one endpoint, and every attempt at it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update

from gateway.core import clock, config, signing
from gateway.core.db import add, later, ring, session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_uuid
from gateway.core.sending import Receipt
from gateway.core.statements import Statement
from gateway.domain import audit, endpoints, events, wire
from gateway.models import Attempt, Delivery, Endpoint, Event
from gateway.models.base import seconds_from_now
from gateway.models.webhooks import TEST_EVENT

LEASE_S = 15
MAX_RETRY_AFTER_S = 24 * 3600
GONE = 410
# How many deliveries one retry of all failed ones takes up; asked again, it goes on.
RETRIED_AT_ONCE = 1000

_FAIL_UNSENT = Statement(
    "UPDATE webhook_logs SET status = 'failed', next_retry_at = NULL, lease_token = NULL, lease_until = NULL"
    " WHERE id = :id"
)
_CLOSE_INTERRUPTED = Statement(
    "UPDATE delivery_attempts SET outcome = 'interrupted'"
    " WHERE delivery_id = :delivery_id AND outcome IS NULL"
)
_FINISH_ATTEMPT = Statement(
    "UPDATE delivery_attempts SET duration_ms = :duration_ms, outcome = :outcome, response_code = :code,"
    " error = :error WHERE id = :id"
)
_FINISH_DELIVERY = Statement(
    "UPDATE webhook_logs SET status = :status, attempts = :attempts, next_retry_at = :next_retry_at,"
    " response_code = :code, response_body = :body, lease_token = NULL, lease_until = NULL"
    " WHERE id = :id AND lease_token = :token"
)
_DISABLE = Statement(
    "UPDATE webhook_endpoints SET is_enabled = false, disabled_reason = 'The receiver answered 410 Gone',"
    " updated_at = :now WHERE id = :id AND url = :url"
)


@dataclass(frozen=True)
class Claim:
    """A delivery this worker may send now, and the attempt it has just written down."""

    delivery_id: str
    token: str
    attempt_id: str
    number: int
    endpoint_id: str
    event_id: str
    event: str
    url: str
    body: bytes
    secret: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The headers of this attempt, signed for this moment."""
        return signing.headers(
            event_id=self.event_id, event=self.event, body=self.body, secret=self.secret, attempt=self.number
        )


def claim(limit: int, busy: Mapping[str, int], per_endpoint: int) -> list[Claim]:
    """Lease up to `limit` due deliveries and write an attempt for each, which is to start at once.

    busy          how many senders each endpoint has taken already
    per_endpoint  how many it may take, so that one slow receiver cannot fill them all

    A delivery whose lease ran out was interrupted in the middle of an attempt;
    that attempt is repeated under its own number. Where the endpoint is gone or
    disabled the delivery has failed, and may be retried by hand.
    """
    full = [endpoint_id for endpoint_id, senders in busy.items() if senders >= per_endpoint]
    room, started = Counter(busy), []
    for delivery, endpoint in _due(limit, full):
        if not endpoints.is_usable(endpoint):
            later(_CLOSE_INTERRUPTED, delivery_id=delivery.id)
            later(_FAIL_UNSENT, id=delivery.id)
        elif room[endpoint.id] < per_endpoint:
            room[endpoint.id] += 1
            started.append((delivery, endpoint))
    token = str(uuid4())
    _lease([delivery.id for delivery, _ in started], token)
    return [_start(delivery, endpoint, token) for delivery, endpoint in started]


def _due(limit: int, full_endpoints: Collection[str]) -> list[tuple[Delivery, Endpoint]]:
    due = (
        select(Delivery, Endpoint)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(
            Delivery.status == "pending",
            Delivery.next_retry_at <= clock.now(),
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < seconds_from_now()),
        )
        .order_by(Delivery.next_retry_at)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    if full_endpoints:
        due = due.where(Delivery.endpoint_id.not_in(full_endpoints))
    return [(row[0], row[1]) for row in session().execute(due)]


def _lease(delivery_ids: list[str], token: str) -> None:
    if not delivery_ids:
        return
    was_interrupted = and_(Delivery.lease_token.is_not(None), Delivery.attempts > 0)
    session().execute(
        update(Delivery)
        .where(Delivery.id.in_(delivery_ids))
        .values(
            lease_token=token,
            lease_until=seconds_from_now(LEASE_S),
            last_attempt_at=clock.now(),
            attempts=case((was_interrupted, Delivery.attempts), else_=Delivery.attempts + 1),
        )
        .execution_options(synchronize_session=False)
    )


def _start(delivery: Delivery, endpoint: Endpoint, token: str) -> Claim:
    was_interrupted = delivery.lease_token is not None
    number = max(delivery.attempts, 1) if was_interrupted else delivery.attempts + 1
    attempt_id = str(uuid4())
    if was_interrupted:
        later(_CLOSE_INTERRUPTED, delivery_id=delivery.id)
    add(Attempt(id=attempt_id, delivery_id=delivery.id, number=number, started_at=clock.now()))
    return Claim(
        delivery_id=delivery.id,
        token=token,
        attempt_id=attempt_id,
        number=number,
        endpoint_id=endpoint.id,
        event_id=delivery.event_id,
        event=delivery.event,
        url=endpoint.url or "",
        body=delivery.payload.encode(),
        secret=endpoints.secret_of(endpoint),
    )


def record(results: Sequence[tuple[Claim, Receipt]]) -> None:
    """Write down how these attempts ended and when to try again, if at all.

    A result whose lease was lost is dropped: another worker has the delivery.
    One that was retried by hand while it was under way counts as the first
    attempt of the new series.
    """
    leased = (
        select(Delivery.id, Delivery.lease_token, Delivery.attempts)
        .where(Delivery.id.in_([claim.delivery_id for claim, _ in results]))
        .order_by(Delivery.id)
        .with_for_update()
    )
    held = {(row.id, row.lease_token): row.attempts for row in session().execute(leased)}
    for claim, receipt in results:
        attempts = held.get((claim.delivery_id, claim.token))
        if attempts is None:
            continue
        later(
            _FINISH_ATTEMPT,
            id=claim.attempt_id,
            duration_ms=receipt.duration_ms,
            outcome=receipt.outcome,
            code=receipt.response_code,
            error=receipt.error,
        )
        status, next_retry_at = _verdict(max(attempts, 1), receipt)
        later(
            _FINISH_DELIVERY,
            id=claim.delivery_id,
            token=claim.token,
            status=status,
            attempts=max(attempts, 1),
            code=receipt.response_code,
            body=receipt.response_body,
            next_retry_at=next_retry_at,
        )
        if receipt.response_code == GONE:
            # The address that said so, and no other that was saved in the meantime.
            later(_DISABLE, id=claim.endpoint_id, url=claim.url, now=clock.now())


def _verdict(attempts: int, receipt: Receipt) -> tuple[str, datetime | None]:
    """The status after this many attempts, and when the next is due."""
    waits_s = _waits_s()
    if receipt.is_success:
        return "success", None
    if attempts >= len(waits_s) or receipt.response_code == GONE:
        return "failed", None
    wait_s = max(waits_s[attempts], min(receipt.retry_after_s or 0, MAX_RETRY_AFTER_S))
    return "pending", clock.now() + timedelta(seconds=wait_s)


def _waits_s() -> tuple[int, ...]:
    return config.current().webhook_retry_intervals_s


def next_due() -> datetime | None:
    """When the next delivery that nobody holds is due."""
    return session().scalar(
        select(func.min(Delivery.next_retry_at)).where(
            Delivery.status == "pending", Delivery.lease_until.is_(None)
        )
    )


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
    """Whether an event of the merchant waits for its deliveries, or one of these for its end."""
    waiting = select(Event.id).where(Event.sequence.is_(None), Event.merchant_id == merchant_id)
    pending = select(Delivery.id).where(Delivery.status == "pending", Delivery.merchant_id == merchant_id)
    return session().scalar(select(or_(waiting.exists(), pending.exists()))) or False


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
