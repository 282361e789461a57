"""Refunds: reserved when asked for, returned by the processor, and given free again when it refuses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from gateway.core import clock, config, rows
from gateway.core.db import add_row, fetch_all, fetch_many, ring
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_id, new_id
from gateway.core.processor import Answer, Return
from gateway.core.statements import Statement, columns_of, update_each
from gateway.core.validation import Amount, Body, Text
from gateway.domain import audit, events, ledger, wire, work
from gateway.models import Payment, Refund

_PAYMENTS = Statement(
    f"SELECT {columns_of(Payment.__table__)} FROM payments"
    " WHERE id = ANY (ARRAY(SELECT value FROM json_array_elements_text(:ids)))"
)
# IS TRUE leaves a plan that lasts only the id to look by, and not the merchant's index.
_RESERVE = Statement(
    "UPDATE payments SET refunds_reserved = refunds_reserved + :amount, updated_at = :now WHERE id = :id"
    " AND (merchant_id = :merchant_id AND status = 'success' AND refunds_reserved + :amount <= amount)"
    f" IS TRUE RETURNING {columns_of(Payment.__table__)}"
)
_APPLY = update_each(
    "payments",
    "amount_refunded = amount_refunded + r.processed, refunds_reserved = refunds_reserved - r.failed,"
    " updated_at = r.now",
    "id text, processed bigint, failed bigint, now timestamptz",
    returning=columns_of(Payment.__table__),
    in_turn=True,
)

DUPLICATE_REASON = "duplicate payment of a paid order"


class RefundBody(Body):
    """How much of a payment goes back, and why."""

    amount: Annotated[Amount, Field(ge=1)]
    reason: Annotated[Text, Field(max_length=1000)] | None = None


def refundable(payment: Payment) -> int:
    """What pending and processed refunds leave of a payment, in minor units; 0 unless it has succeeded."""
    return payment.amount - payment.refunds_reserved if payment.status == "success" else 0


def create(
    merchant_id: str, payment_id: str, amount: int, reason: str | None, actor: str | None = None
) -> Refund:
    """Reserve part of a successful payment and queue its return to the payer.

    amount   minor units, 1 up to what `refundable` still gives
    actor    who asked for it; the gateway's own refunds have none
    raises   NotFound    not this merchant's payment
             BadRequest  the payment has not succeeded, or too little of it is left

    One UPDATE checks and reserves, so two refunds asked for at the same moment
    cannot both fit; the payment's CHECK stands behind it.
    """
    payment = _reserve(merchant_id, payment_id, amount) if is_id("pay", payment_id) else None
    if payment is None:
        raise _refusal(merchant_id, payment_id)
    now = clock.now()
    refund = rows.new(
        Refund,
        id=new_id("rfnd"),
        payment_id=payment_id,
        merchant_id=merchant_id,
        amount=amount,
        reason=reason,
        created_at=now,
        due_at=now + timedelta(milliseconds=config.current().bank_refund_delay_ms()),
    )
    add_row(Refund, **vars(refund))
    ledger.post([ledger.refund_reserved(payment, refund)])
    events.emit(merchant_id, "refund.created", wire.payment(payment), refund=wire.refund(refund))
    if actor is not None:
        audit.note(merchant_id, actor, "refund.created", refund.id)
    ring("refunds")
    return refund


def _reserve(merchant_id: str, payment_id: str, amount: int) -> Payment | None:
    reserved = fetch_all(_RESERVE, id=payment_id, merchant_id=merchant_id, amount=amount, now=clock.now())
    return rows.of(Payment, reserved[0]) if reserved else None


def _refusal(merchant_id: str, payment_id: str) -> NotFound | BadRequest:
    payment = _payments([payment_id]).get(payment_id) if is_id("pay", payment_id) else None
    if payment is None or payment.merchant_id != merchant_id:
        return NotFound("Payment not found")
    return _not_successful() if payment.status != "success" else _exceeds()


def check(payment: Payment, amount: int) -> None:
    """Refuse what `create` would refuse of this payment as it stands; nothing is reserved.

    raises  BadRequest  the payment has not succeeded, or too little of it is left
    """
    if payment.status != "success":
        raise _not_successful()
    if amount > refundable(payment):
        raise _exceeds()


def _not_successful() -> BadRequest:
    return BadRequest("Only a successful payment can be refunded", reason="payment_not_successful")


def _exceeds() -> BadRequest:
    return BadRequest(
        "Refund amount exceeds available amount", field="amount", reason="insufficient_refund_amount"
    )


def get(merchant_id: str, refund_id: str) -> Refund:
    """This merchant's refund. Raises NotFound for anybody else's."""
    refund = rows.find(Refund, refund_id) if is_id("rfnd", refund_id) else None
    if refund is None or refund.merchant_id != merchant_id:
        raise NotFound("Refund not found")
    return refund


@dataclass(frozen=True)
class Claim:
    """A refund that this worker may take to the processor now; its row, where it is only held."""

    id: str
    token: str | None
    attempt: int
    asked: Return
    row: Refund | None = None


def claim(limit: int) -> list[Claim]:
    """Lease up to `limit` refunds that are due and that nobody holds."""
    token, refunds = work.lease(Refund, limit)
    return [Claim(refund.id, token, refund.attempts, asked) for refund, asked in _all_asked(refunds)]


def hold(limit: int) -> list[Claim]:
    """The same for the length of the caller's transaction, which settles them."""
    held = work.hold(Refund, limit)
    return [Claim(refund.id, None, refund.attempts, asked, refund) for refund, asked in _all_asked(held)]


def _all_asked(refunds: Sequence[Refund]) -> list[tuple[Refund, Return]]:
    payments = _payments([refund.payment_id for refund in refunds])
    return [(refund, _asked(refund, payments[refund.payment_id])) for refund in refunds]


def _payments(ids: list[str]) -> dict[str, Payment]:
    found = fetch_all(_PAYMENTS, ids=json.dumps(ids)) if ids else []
    return {row.id: row for row in (rows.of(Payment, values) for values in found)}


def _asked(refund: Refund, payment: Payment) -> Return:
    return Return(
        reference=refund.id,
        charge_reference=payment.id,
        amount=refund.amount,
        currency=payment.currency,
        instrument=payment.instrument_token or payment.vpa or "",
        attempt=refund.attempts,
    )


def settle(results: Sequence[tuple[Claim, Answer]]) -> None:
    """Write down what the processor answered; an answer whose lease was lost is dropped."""
    answered = work.finish(Refund, results, "processed")
    payments = _apply(answered)
    entries = {"processed": ledger.refund_paid, "failed": ledger.refund_released}
    ledger.post(entries[refund.status](payments[refund.payment_id], refund) for refund in answered)
    for refund in answered:
        payment = wire.payment(payments[refund.payment_id])
        events.emit(refund.merchant_id, f"refund.{refund.status}", payment, refund=wire.refund(refund))
    work.ask_again(Refund, results)


def _apply(refunds: Sequence[Refund]) -> dict[str, Payment]:
    """Count what was returned and give free what was not.

    All payments at once and locked in the order of their ids, so that two
    workers cannot wait for each other.
    """
    now = clock.now()
    sums: dict[str, dict[str, Any]] = {}
    for refund in refunds:
        own = sums.setdefault(
            refund.payment_id, {"id": refund.payment_id, "processed": 0, "failed": 0, "now": now}
        )
        own[refund.status] += refund.amount
    changed = (rows.of(Payment, values) for values in fetch_many(_APPLY, sums.values()))
    return {payment.id: payment for payment in changed}
