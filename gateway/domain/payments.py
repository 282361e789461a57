"""Payments: taken at once as `pending`, settled when the bank has answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import update

from gateway.core import clock, config, rows
from gateway.core.db import add_row, fetch_many, later, ring, session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_id, new_id
from gateway.core.processor import Answer, Charge
from gateway.core.statements import Statement, columns_of, update_each
from gateway.domain import announcing, audit, events, ledger, refunds, wire, work
from gateway.domain.methods import Asked, Instrument
from gateway.models import Order, Payment
from gateway.models.orders import Payable

# How long a payer has to approve a payment in their own app.
INTENT_LIFETIME = timedelta(minutes=5)

_TOUCH_ORDER = Statement(
    "UPDATE orders SET status = 'attempted', updated_at = :now WHERE id = :id AND status = 'created'"
)
_WIN = update_each(
    "orders",
    "status = 'paid', paid_payment_id = r.winner, updated_at = r.now",
    "id text, winner text, now timestamptz",
    " AND orders.paid_payment_id IS NULL",
    returning=columns_of(Order.__table__),
    in_turn=True,
)


def is_payable(order: Payable) -> bool:
    """Whether a payment of this order may begin: it is unpaid, or REPEAT_PAYMENTS allows another."""
    return order.status != "paid" or config.current().repeat_payments


def check(order: Payable, asked: Asked) -> None:
    """Refuse what would surprise the payer.

    raises  BadRequest  the order is paid already, or the client believes in
                        another amount or currency than the order's
    """
    if not is_payable(order):
        raise BadRequest("Order is already paid", field="order_id", reason="order_already_paid")
    if asked.amount is not None and asked.amount != order.amount:
        raise BadRequest("amount must be the order's amount, or left out", field="amount")
    if asked.currency is not None and asked.currency != order.currency:
        raise BadRequest("currency must be the order's currency, or left out", field="currency")


def create(
    order: Payable, instrument: Instrument, upi_link: Callable[[Charge], str | None] | None = None
) -> Payment:
    """A new payment of this order, `pending`; a worker takes it to the bank when it is due.

    Amount and currency are the order's. That the order is won only once is
    decided when the payment settles, not here. Nor are its first events written here:
    a worker takes the row in hand anyway, and announces it.

    upi_link  asks the processor for the link that opens the payer's app, for an intent
    raises    BadRequest  the processor has none for this
    """
    now = clock.now()
    payment = rows.new(
        Payment,
        id=new_id("pay"),
        order_id=order.id,
        merchant_id=order.merchant_id,
        amount=order.amount,
        currency=order.currency,
        method=instrument.method,
        vpa=instrument.vpa,
        card_network=instrument.card_network,
        card_last4=instrument.card_last4,
        instrument_token=instrument.token,
        due_at=now + timedelta(milliseconds=config.current().payment_delay_ms()),
        is_announced=False,
        created_at=now,
        updated_at=now,
    )
    if instrument.is_intent:
        _wait_for_app(payment, upi_link)
    add_row(Payment, **vars(payment))
    if order.status == "created":
        later(_TOUCH_ORDER, id=order.id, now=now)
    ring("payments")
    if payment.due_at != now:
        ring("webhooks")  # nobody takes it to the bank yet, who would announce it
    return payment


def _wait_for_app(payment: Payment, upi_link: Callable[[Charge], str | None] | None) -> None:
    """Nobody is asked before the payer's app has answered or its time is over."""
    payment.upi_link = upi_link(_asked(payment)) if upi_link is not None else None
    if payment.upi_link is None:
        raise BadRequest("Paying in a UPI app is not offered here; give a UPI address", field="flow")
    payment.due_at = payment.created_at + INTENT_LIFETIME


def hear(payment_id: str, vpa: str) -> None:
    """Note that the payer's app has acted on this intent, from this address: its bank is asked at once.

    raises  BadRequest  it is not waiting for an app: unknown, answered before, or out of time
    """
    now = clock.now()
    heard = session().scalar(
        update(Payment)
        .where(
            Payment.id == payment_id,
            Payment.status == "pending",
            Payment.upi_link.is_not(None),
            Payment.vpa.is_(None),
            Payment.due_at > now,
            Payment.lease_token.is_(None),  # out of time, and somebody is asking the bank about that
        )
        .values(vpa=vpa, due_at=now, updated_at=now)
        .returning(Payment.id)
        .execution_options(synchronize_session=False)
    )
    if heard is None:
        raise BadRequest("This payment is not waiting for an app", reason="payment_not_waiting")
    ring("payments")


def get(payment_id: str, merchant_id: str | None = None) -> Payment:
    """A payment; with `merchant_id`, only if it is theirs. Raises NotFound."""
    payment = rows.find(Payment, payment_id) if is_id("pay", payment_id) else None
    if payment is None or (merchant_id is not None and payment.merchant_id != merchant_id):
        raise NotFound("Payment not found")
    return payment


def can_capture(payment: Payment) -> bool:
    """Whether `capture` would take it, as far as this row knows."""
    return payment.status == "success" and not payment.captured and payment.refunds_reserved < payment.amount


def capture(merchant_id: str, actor: str, payment_id: str, amount: int | None) -> Payment:
    """Capture a successful payment, all of it or nothing.

    amount   if given, must be the payment's own
    raises   NotFound    not this merchant's payment
             BadRequest  another amount; or it has not succeeded, was captured
                         before, or its refunds hold all of it
    """
    captured = _mark_captured(merchant_id, payment_id, amount) if is_id("pay", payment_id) else None
    if captured is None:
        raise _not_capturable(merchant_id, payment_id, amount)
    ledger.post([ledger.capture(captured)])
    events.emit(merchant_id, "payment.captured", wire.payment(captured))
    audit.note(merchant_id, actor, "payment.captured", payment_id)
    return captured


def _mark_captured(merchant_id: str, payment_id: str, amount: int | None) -> Payment | None:
    now = clock.now()
    return session().scalar(
        update(Payment)
        .where(
            Payment.id == payment_id,
            Payment.merchant_id == merchant_id,
            Payment.status == "success",
            Payment.captured.is_(False),
            Payment.refunds_reserved < Payment.amount,
            Payment.amount == (Payment.amount if amount is None else amount),
        )
        .values(captured=True, captured_at=now, updated_at=now)
        .returning(Payment)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def _not_capturable(merchant_id: str, payment_id: str, amount: int | None) -> NotFound | BadRequest:
    payment = session().get(Payment, payment_id) if is_id("pay", payment_id) else None
    if payment is None or payment.merchant_id != merchant_id:
        return NotFound("Payment not found")
    if amount not in (None, payment.amount):
        return BadRequest("amount must be the payment's amount, or left out", field="amount")
    return BadRequest("Payment not in capturable state", reason="payment_not_capturable")


@dataclass(frozen=True)
class Claim:
    """A payment that this worker may take to the processor now; its row, where it is only held."""

    id: str
    token: str | None
    attempt: int
    asked: Charge
    row: Payment | None = None


def claim(limit: int) -> list[Claim]:
    """Lease up to `limit` payments that are due and that nobody holds."""
    token, payments = work.lease(Payment, limit)
    announcing.announce(payments)
    return [Claim(payment.id, token, payment.attempts, _asked(payment)) for payment in payments]


def hold(limit: int) -> list[Claim]:
    """The same for the length of the caller's transaction, which settles them."""
    held = work.hold(Payment, limit)
    announcing.tell(held)  # what is written of them in the end marks them as well
    return [Claim(payment.id, None, payment.attempts, _asked(payment), payment) for payment in held]


def _asked(payment: Payment) -> Charge:
    return Charge(
        reference=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        method=payment.method,
        instrument=payment.instrument_token or payment.vpa or "",
        attempt=payment.attempts,
        is_intent=payment.upi_link is not None,
    )


def settle(results: Sequence[tuple[Claim, Answer]]) -> None:
    """Write down what the processor answered; an answer whose lease was lost is dropped.

    A success wins its order, once: a second one is refunded by the gateway
    itself, unless REPEAT_PAYMENTS allows it.
    """
    answered = work.finish(Payment, results, "success")
    _succeed([payment for payment in answered if payment.status == "success"])
    for payment in answered:
        if payment.status == "failed":
            events.emit(payment.merchant_id, "payment.failed", wire.payment(payment))
    work.ask_again(Payment, results)


def _succeed(payments: Sequence[Payment]) -> None:
    ledger.post(ledger.success(payment) for payment in payments)
    won = _win_orders(payments)
    for payment in payments:
        shown = wire.payment(payment)
        events.emit(payment.merchant_id, "payment.success", shown)
        if payment.id in won:
            order = wire.order(won[payment.id])
            del order["notes"]  # events carry no notes
            events.emit(payment.merchant_id, "order.paid", shown, order=order)
        elif not config.current().repeat_payments:
            refunds.create(payment.merchant_id, payment.id, payment.amount, refunds.DUPLICATE_REASON)


def _win_orders(payments: Sequence[Payment]) -> dict[str | None, Order]:
    """Mark unpaid orders as paid, each by its first payment here; the orders by what won them.

    Orders are locked in the order of their ids, so that two workers cannot
    wait for each other.
    """
    now = clock.now()
    first = {payment.order_id: payment.id for payment in reversed(payments)}
    won = fetch_many(
        _WIN, [{"id": order_id, "winner": winner, "now": now} for order_id, winner in first.items()]
    )
    return {order.paid_payment_id: order for order in (rows.of(Order, values) for values in won)}
