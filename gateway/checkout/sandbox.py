"""The payer's UPI app, played by two buttons: the sandbox has no phones."""

from flask import redirect, request
from flask.typing import ResponseReturnValue

from gateway.adapters.sandbox import APP_ADDRESSES
from gateway.checkout import checkout, visits
from gateway.core import config
from gateway.core.db import transaction
from gateway.core.errors import NotFound
from gateway.domain import payments
from gateway.web import ratelimit


@checkout.post("/checkout/payments/<payment_id>/app")
def play_app(payment_id: str) -> ResponseReturnValue:
    ratelimit.count_request()
    address = APP_ADDRESSES.get(request.form.get("answer", ""))
    if not config.current().is_sandbox or address is None:
        raise NotFound("There is nothing at this address")
    visit = visits.begin(request.form)
    payment = visits.payment_of(visit, payment_id)
    with transaction():
        payments.hear(payment.id, address)
    return redirect(visit.url(payment_id=payment.id), 303)
