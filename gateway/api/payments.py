"""Payments in JSON: for merchants' servers, and for payers in the checkout."""

from flask import Response, g

from gateway.adapters import tokenise, upi_link
from gateway.api import api, open_api
from gateway.api.answers import answer, answer_page
from gateway.api.cors import public
from gateway.api.idempotent import idempotent
from gateway.api.reading import json_body, read, read_if_any, wanted
from gateway.core.db import reading, transaction
from gateway.core.validation import Amount, Body
from gateway.domain import listing, merchants, methods, orders, payments, wire
from gateway.domain.methods import Target
from gateway.models import Payment
from gateway.models.payments import METHODS, STATUSES


@api.post("/payments")
@idempotent(is_light=True)
def create_payment() -> tuple[wire.Json, int]:
    return wire.payment(_pay(g.caller.merchant_id)), 201


@public(open_api, "POST", "/payments/public")
def create_public_payment() -> Response:
    with transaction():
        return answer(wire.public_payment(_pay(None)), 201)


def _pay(merchant_id: str | None) -> Payment:
    """One payment of the order in the body, which decides the merchant where nobody has signed in."""
    order = orders.find(read(Target).order_id, merchant_id)
    asked = methods.read(json_body())
    if merchant_id is None:
        shop = merchants.shopfront(order.merchant_id)
        orders.admit(order, shop, asked.checkout_token)
        merchants.check_open(shop)
    payments.check(order, asked)
    # The one call a face makes outside: nobody below may see the card itself.
    instrument = methods.instrument(asked, tokenise)
    return payments.create(order, instrument, upi_link)


@api.get("/payments/<payment_id>")
def get_payment(payment_id: str) -> Response:
    return answer(wire.payment(payments.get(payment_id, g.caller.merchant_id)))


@api.get("/payments")
def list_payments() -> Response:
    asked = wanted(status=STATUSES, method=METHODS, order_id=None)
    with reading():
        return answer_page(listing.page(Payment, g.caller.merchant_id, asked), wire.payment, asked)


class CaptureBody(Body):
    """All of it or nothing: an amount, if given, must be the payment's."""

    amount: Amount | None = None


@api.post("/payments/<payment_id>/capture")
def capture_payment(payment_id: str) -> Response:
    body = read_if_any(CaptureBody)
    with transaction():
        payment = payments.capture(g.caller.merchant_id, g.caller.key, payment_id, body.amount)
    return answer(wire.payment(payment))


@public(open_api, "GET", "/payments/<payment_id>/public")
def get_public_payment(payment_id: str) -> Response:
    return answer(wire.public_payment(payments.get(payment_id)))
