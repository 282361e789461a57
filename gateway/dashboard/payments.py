"""One payment: everything that happened to it, and what can be done with it."""

from typing import Any

import orjson
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core import ids, money
from gateway.core.db import reading
from gateway.core.errors import BadRequest
from gateway.core.validation import validate
from gateway.dashboard import dashboard
from gateway.dashboard.once import once
from gateway.dashboard.signing_in import needs
from gateway.domain import payments, refunds, timeline, wire
from gateway.domain.refunds import RefundBody
from gateway.domain.roles import Act
from gateway.models import Payment
from gateway.web import pages


@dashboard.get("/dashboard/transactions/<payment_id>")
def payment(payment_id: str) -> ResponseReturnValue:
    return _page(payments.get(payment_id, g.person.merchant_id))


@dashboard.get("/dashboard/transactions/<payment_id>/state")
def payment_state(payment_id: str) -> ResponseReturnValue:
    found = payments.get(payment_id, g.person.merchant_id)
    return pages.live("dashboard/payment/_fragment.html", **_seen(found))


@dashboard.post("/dashboard/transactions/<payment_id>/capture")
@needs(Act.MOVE_MONEY)
def capture_payment(payment_id: str) -> ResponseReturnValue:
    once(lambda: payments.capture(g.person.merchant_id, g.person.email, payment_id, None).id)
    flash("The payment is captured.", "good")
    return redirect(url_for("dashboard.payment", payment_id=payment_id), 303)


@dashboard.get("/dashboard/transactions/<payment_id>/refund")
@needs(Act.MOVE_MONEY)
def preview_refund(payment_id: str) -> ResponseReturnValue:
    """What a refund would do, before anything is done."""
    found = payments.get(payment_id, g.person.merchant_id)
    try:
        asked = _asked(found)
        refunds.check(found, asked.amount)
    except BadRequest as problem:
        return _page(found, problem)
    return pages.page(
        "dashboard/payment/refund.html",
        section="transactions",
        payment=found,
        asked=asked,
        left=refunds.refundable(found) - asked.amount,
        form_id=ids.new_id("form"),
    )


@dashboard.post("/dashboard/transactions/<payment_id>/refund")
@needs(Act.MOVE_MONEY)
def refund_payment(payment_id: str) -> ResponseReturnValue:
    found, person = payments.get(payment_id, g.person.merchant_id), g.person
    try:
        asked = _asked(found)
        once(lambda: refunds.create(found.merchant_id, found.id, asked.amount, asked.reason, person.email).id)
    except BadRequest as problem:
        return _page(payments.get(payment_id, person.merchant_id), problem)
    flash(f"{money.display(asked.amount, found.currency)} is on its way back to the payer.", "good")
    return redirect(url_for("dashboard.payment", payment_id=payment_id), 303)


def _asked(found: Payment) -> RefundBody:
    """The refund that the form asks for."""
    typed = request.values
    if "all" in typed:
        amount = refunds.refundable(found)
    else:
        amount = money.parse(typed.get("amount_text", ""), found.currency, "amount_text")
        if amount == 0:
            raise BadRequest("Enter more than nothing", field="amount_text")
    return validate(RefundBody, {"amount": max(amount, 1), "reason": typed.get("reason", "").strip() or None})


def _page(found: Payment, problem: BadRequest | None = None) -> ResponseReturnValue:
    seen = _seen(found)
    if problem is None:
        return pages.page("dashboard/payment/page.html", **seen)
    words = problem.description
    if problem.reason == "insufficient_refund_amount":
        left = money.display(seen["refundable"], found.currency)
        words = f"{left} of this payment can still be refunded"
    field = "reason" if problem.field == "reason" else "amount_text"
    # Nothing is swapped below a reader who is told what went wrong.
    seen |= {"problems": {field: words}, "is_live": False}
    return pages.page("dashboard/payment/page.html", 400, **seen)


def _seen(found: Payment) -> dict[str, Any]:
    with reading():
        returned = timeline.refunds_of(found)
        steps = timeline.of(found, returned)
    told = [told for step in steps for told in step.told]
    is_unfinished = (
        found.status == "pending"
        or any(refund.status == "pending" for refund in returned)
        or any(each.event.sequence is None for each in told)
        or any(delivery.status == "pending" for each in told for delivery in each.deliveries)
    )
    return {
        "section": "transactions",
        "payment": found,
        "steps": steps,
        "refundable": refunds.refundable(found),
        "can_capture": payments.can_capture(found),
        "is_live": is_unfinished,
        "problems": {},
        "typed": request.values,
        "raw": orjson.dumps(wire.payment(found), option=orjson.OPT_INDENT_2).decode(),
    }
