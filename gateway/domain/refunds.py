"""Refunds: reserved when asked for, returned by the processor, and given free again when it refuses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ScalarSelect, func, select, update

from gateway.core import clock, config, rows
from gateway.core.db import add, fetch_all, ring, session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_id, new_id
from gateway.core.processor import Answer, Outcome, Return
from gateway.core.statements import Statement
from gateway.core.validation import Amount, Body, Text
from gateway.domain import audit, events, ledger, wire, work
from gateway.models import Payment, Refund

_PAYMENTS = Statement(
    f"SELECT {rows.columns(Payment)} FROM payments"
    " WHERE id IN (SELECT value FROM json_array_elements_text(:ids))"
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
    refund = Refund(
        id=new_id("rfnd"),
        payment_id=payment_id,
        merchant_id=merchant_id,
        amount=amount,
        reason=reason,
        created_at=now,
        due_at=now + timedelta(milliseconds=config.current().bank_refund_delay_ms()),
    )
    add(refund)
    ledger.post([ledger.refund_reserved(payment, refund)])
    events.emit(merchant_id, "refund.created", wire.payment(payment), refund=wire.refund(refund))
    if actor is not None:
        audit.note(merchant_id, actor, "refund.created", refund.id)
    ring("refunds")
    return refund


def _reserve(merchant_id: str, payment_id: str, amount: int) -> Payment | None:
    return session().scalar(
        update(Payment)
        .where(
            Payment.id == payment_id,
            Payment.merchant_id == merchant_id,
            Payment.status == "success",
            Payment.refunds_reserved + amount <= Payment.amount,
        )
        .values(refunds_reserved=Payment.refunds_reserved + amount, updated_at=clock.now())
        .returning(Payment)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def _refusal(merchant_id: str, payment_id: str) -> NotFound | BadRequest:
    payment = session().get(Payment, payment_id) if is_id("pay", payment_id) else None
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
    """A refund that this worker may take to the processor now."""

    id: str
    token: str
    attempt: int
    asked: Return


def claim(limit: int) -> list[Claim]:
    """Lease up to `limit` refunds that are due and that nobody holds."""
    token, refunds = work.lease(Refund, limit)
    payments = _payments([refund.payment_id for refund in refunds])
    return [
        Claim(refund.id, token, refund.attempts, _asked(refund, payments[refund.payment_id]))
        for refund in refunds
    ]


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
    answered = [
        refund
        for (answer, token), ids in work.by_answer(results).items()
        for refund in _finish(ids, token, answer)
    ]
    payments = _apply(answered)
    for refund in answered:
        payment = payments[refund.payment_id]
        processed = refund.status == "processed"
        entry = ledger.refund_paid if processed else ledger.refund_released
        ledger.post([entry(payment, refund)])
        event = "refund.processed" if processed else "refund.failed"
        events.emit(refund.merchant_id, event, wire.payment(payment), refund=wire.refund(refund))
    work.ask_again(Refund, results)


def _finish(ids: list[str], token: str, answer: Answer) -> Sequence[Any]:
    processed = answer.outcome is Outcome.SUCCESS
    return (
        session()
        .execute(
            update(Refund)
            .where(Refund.id.in_(ids), Refund.lease_token == token, Refund.status == "pending")
            .values(
                status="processed" if processed else "failed",
                processed_at=clock.now() if processed else None,
                error_description=answer.description,
                due_at=None,
                lease_until=None,
                lease_token=None,
            )
            .returning(*Refund.__table__.columns)
            .execution_options(synchronize_session=False)
        )
        .all()
    )


def _apply(refunds: Sequence[Refund]) -> dict[str, Any]:
    """Count what was returned and give free what was not.

    All payments at once and locked in the order of their ids, so that two
    workers cannot wait for each other.
    """
    if not refunds:
        return {}
    ids = sorted({refund.payment_id for refund in refunds})
    session().execute(select(Payment.id).where(Payment.id.in_(ids)).order_by(Payment.id).with_for_update())

    def total(status: str) -> ScalarSelect[int]:
        return (
            select(func.coalesce(func.sum(Refund.amount), 0))
            .where(
                Refund.payment_id == Payment.id,
                Refund.status == status,
                Refund.id.in_([refund.id for refund in refunds]),
            )
            .scalar_subquery()
        )

    changed = session().execute(
        update(Payment)
        .where(Payment.id.in_(ids))
        .values(
            amount_refunded=Payment.amount_refunded + total("processed"),
            refunds_reserved=Payment.refunds_reserved - total("failed"),
            updated_at=clock.now(),
        )
        .returning(*Payment.__table__.columns)
        .execution_options(synchronize_session=False)
    )
    return {payment.id: payment for payment in changed}
