"""Deliveries as the worker sees them: handed out, claimed, sent, recorded.

Every statement here runs for each webhook, most of them for a batch at once.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.core import clock, config, signing
from gateway.core.db import add_row, fetch_all, fetch_one, later
from gateway.core.ids import new_uuid
from gateway.core.sending import Receipt
from gateway.core.statements import Statement, moment, update_each
from gateway.domain import endpoints, events
from gateway.models import Attempt
from gateway.models.webhooks import Address

LEASE_S = 15
MAX_RETRY_AFTER_S = 24 * 3600
GONE = 410

_FAIL_UNSENT = Statement(
    "UPDATE webhook_logs SET status = 'failed', next_retry_at = NULL, lease_token = NULL, lease_until = NULL"
    " WHERE id = :id"
)
_CLOSE_INTERRUPTED = Statement(
    "UPDATE delivery_attempts SET outcome = 'interrupted'"
    " WHERE delivery_id = :delivery_id AND outcome IS NULL"
)
# An attempt that has an outcome was interrupted, and its lease lost.
_FINISH_ATTEMPT = update_each(
    "delivery_attempts",
    "duration_ms = r.duration_ms, outcome = r.outcome, response_code = r.code, error = r.error",
    "id uuid, duration_ms int, outcome text, code int, error text",
    " AND delivery_attempts.outcome IS NULL",
)
_SUCCEED = update_each(
    "webhook_logs",
    "status = 'success', attempts = CASE WHEN attempts < 1 THEN 1 ELSE attempts END,"
    " next_retry_at = NULL, response_code = r.code, response_body = r.body,"
    " lease_token = NULL, lease_until = NULL",
    "id uuid, token uuid, code int, body text",
    " AND webhook_logs.lease_token = r.token",
)
_HELD = Statement(
    "SELECT CAST(id AS text), CAST(lease_token AS text), attempts FROM webhook_logs"
    " WHERE id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text(:ids)))"
    " ORDER BY id FOR UPDATE"
)
_FINISH_DELIVERY = Statement(
    "UPDATE webhook_logs SET status = :status, attempts = :attempts, next_retry_at = :next_retry_at,"
    " response_code = :code, response_body = :body, lease_token = NULL, lease_until = NULL"
    " WHERE id = :id AND lease_token = :token"
)
_DUE = Statement(
    "SELECT CAST(d.id AS text), d.event_id, d.event, d.payload, d.attempts, CAST(d.lease_token AS text),"
    " e.id, CAST(e.merchant_id AS text), e.url, e.secret_encrypted, e.is_enabled"
    " FROM webhook_logs d JOIN webhook_endpoints e ON e.id = d.endpoint_id"
    " WHERE d.status = 'pending' AND d.next_retry_at <= :now"
    " AND (d.lease_until IS NULL OR d.lease_until < clock_timestamp())"
    " AND d.endpoint_id NOT IN (SELECT value FROM json_array_elements_text(:full))"
    " ORDER BY d.next_retry_at LIMIT :limit FOR UPDATE OF d SKIP LOCKED"
)
_LEASE = update_each(
    "webhook_logs",
    "lease_token = r.token, attempts = r.attempts, last_attempt_at = r.now,"
    f" lease_until = clock_timestamp() + interval '{LEASE_S} seconds'",
    "id uuid, token uuid, attempts int, now timestamptz",
)
_NEXT_DUE = Statement(
    "SELECT min(next_retry_at) FROM webhook_logs WHERE status = 'pending' AND lease_until IS NULL"
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
    return _claim_waiting(limit, Counter(busy), per_endpoint)


def claim_new(limit: int, busy: Mapping[str, int], per_endpoint: int) -> list[Claim]:
    """Hand new events out; deliveries of theirs that find room begin at once."""
    return _claim_new(limit, Counter(busy), per_endpoint)


def claim_with_new(limit: int, busy: Mapping[str, int], per_endpoint: int) -> list[Claim]:
    """`claim`, and then `claim_new`."""
    room = Counter(busy)
    claims = _claim_waiting(limit, room, per_endpoint)
    return claims + _claim_new(limit - len(claims), room, per_endpoint)


def _claim_waiting(limit: int, room: Counter[str], per_endpoint: int) -> list[Claim]:
    full = [endpoint_id for endpoint_id, senders in room.items() if senders >= per_endpoint]
    token, claims = new_uuid(), []
    for due in _due(limit, full):
        if due.address is None:
            later(_CLOSE_INTERRUPTED, delivery_id=due.id)
            later(_FAIL_UNSENT, id=due.id)
        elif room[due.address.id] < per_endpoint:
            room[due.address.id] += 1
            claims.append(_lease(due, due.address, token))
    for claim in claims:
        _note_attempt(claim)
    return claims


class Due(NamedTuple):
    """A delivery whose time has come. `address` is None where nothing may be sent any more."""

    id: str
    event_id: str
    event: str
    payload: str
    attempts: int
    lease_token: str | None
    address: Address | None


def _due(limit: int, full_endpoints: Collection[str]) -> list[Due]:
    rows = fetch_all(_DUE, now=clock.now(), full=json.dumps(list(full_endpoints)), limit=limit)
    return [Due._make([*row[:6], _address(row)]) for row in rows]


def _address(row: tuple[Any, ...]) -> Address | None:
    endpoint_id, merchant_id, url, secret, is_enabled = row[6:]
    return Address(endpoint_id, merchant_id, url, secret) if is_enabled and url is not None else None


def _lease(due: Due, address: Address, token: str) -> Claim:
    was_interrupted = due.lease_token is not None
    number = max(due.attempts, 1) if was_interrupted else due.attempts + 1
    if was_interrupted:
        later(_CLOSE_INTERRUPTED, delivery_id=due.id)
    attempts = due.attempts if was_interrupted and due.attempts > 0 else due.attempts + 1
    later(_LEASE, id=due.id, token=token, attempts=attempts, now=clock.now())
    return _claim(due.id, due.event_id, due.event, due.payload, address, token, number)


def _claim(
    delivery_id: str, event_id: str, event: str, payload: str, address: Address, token: str, number: int
) -> Claim:
    return Claim(
        delivery_id=delivery_id,
        token=token,
        attempt_id=new_uuid(),
        number=number,
        endpoint_id=address.id,
        event_id=event_id,
        event=event,
        url=address.url,
        body=payload.encode(),
        secret=endpoints.secret_of(address),
    )


def _note_attempt(claim: Claim) -> None:
    add_row(
        Attempt,
        id=claim.attempt_id,
        delivery_id=claim.delivery_id,
        number=claim.number,
        started_at=clock.now(),
    )


def _claim_new(limit: int, room: Counter[str], per_endpoint: int) -> list[Claim]:
    """`claim_new`, where `room` counts the senders that each endpoint has taken by now."""
    token, claims = new_uuid(), list[Claim]()

    def start(new: dict[str, Any], address: Address, now: datetime) -> None:
        is_due = new["next_retry_at"] <= clock.now()
        if is_due and len(claims) < limit and room[address.id] < per_endpoint:
            room[address.id] += 1
            claims.append(
                _claim(new["id"], new["event_id"], new["event"], new["payload"], address, token, number=1)
            )
            new |= {
                "lease_token": token,
                "lease_until": now + timedelta(seconds=LEASE_S),
                "last_attempt_at": clock.now(),
                "attempts": 1,
            }

    events.fan_out(start)
    for claim in claims:
        _note_attempt(claim)
    return claims


def record(results: Sequence[tuple[Claim, Receipt]]) -> None:
    """Write down how these attempts ended and when to try again, if at all.

    A result whose lease was lost is dropped: another worker has the delivery.
    One that was retried by hand while it was under way counts as the first
    attempt of the new series.
    """
    for claim, receipt in results:
        if receipt.is_success:
            later(
                _SUCCEED,
                id=claim.delivery_id,
                token=claim.token,
                code=receipt.response_code,
                body=receipt.response_body,
            )
    troubled = [(claim, receipt) for claim, receipt in results if not receipt.is_success]
    held = _held([claim for claim, _ in troubled])
    for claim, receipt in troubled:
        if (claim.delivery_id, claim.token) in held:
            _plan_next(claim, receipt, max(held[claim.delivery_id, claim.token], 1))
    for claim, receipt in results:
        later(
            _FINISH_ATTEMPT,
            id=claim.attempt_id,
            duration_ms=receipt.duration_ms,
            outcome=receipt.outcome,
            code=receipt.response_code,
            error=receipt.error,
        )


def _held(claims: Sequence[Claim]) -> dict[tuple[str, str | None], int]:
    """The attempts of those deliveries whose lease still stands, by delivery and token; they are locked."""
    if not claims:
        return {}
    ids = json.dumps([claim.delivery_id for claim in claims])
    return {(row[0], row[1]): row[2] for row in fetch_all(_HELD, ids=ids)}


def _plan_next(claim: Claim, receipt: Receipt, attempts: int) -> None:
    status, next_retry_at = _verdict(attempts, receipt)
    later(
        _FINISH_DELIVERY,
        id=claim.delivery_id,
        token=claim.token,
        status=status,
        attempts=attempts,
        code=receipt.response_code,
        body=receipt.response_body,
        next_retry_at=next_retry_at,
    )
    if receipt.response_code == GONE:
        # The address that said so, and no other that was saved in the meantime.
        later(_DISABLE, id=claim.endpoint_id, url=claim.url, now=clock.now())


def _verdict(attempts: int, receipt: Receipt) -> tuple[str, datetime | None]:
    """The status after this many attempts in vain, and when the next is due."""
    waits_s = _waits_s()
    if attempts >= len(waits_s) or receipt.response_code == GONE:
        return "failed", None
    wait_s = max(waits_s[attempts], min(receipt.retry_after_s or 0, MAX_RETRY_AFTER_S))
    return "pending", clock.now() + timedelta(seconds=wait_s)


def _waits_s() -> tuple[int, ...]:
    return config.current().webhook_retry_intervals_s


def next_due() -> datetime | None:
    """When the next delivery that nobody holds is due."""
    row = fetch_one(_NEXT_DUE)
    return None if row is None or row[0] is None else moment(row[0])
