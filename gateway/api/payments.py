"""Payments in JSON: for merchants' servers, and for payers in the checkout."""

from flask import Response, g

from gateway.adapters import acquirer
from gateway.api import api, open_api
from gateway.api.answers import answer
from gateway.api.cors import public
from gateway.api.idempotent import idempotent
from gateway.api.reading import json_body, read
from gateway.core.db import transaction
from gateway.domain import methods, orders, payments, wire
from gateway.domain.methods import Target
from gateway.models import Payment


@api.post("/payments")
@idempotent
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
    payments.check(order, asked)
    # The one call a face makes outside: nobody below may see the card itself.
    instrument = methods.instrument(asked, acquirer().tokenise)
    return payments.create(order, instrument)


@api.get("/payments/<payment_id>")
def get_payment(payment_id: str) -> Response:
    return answer(wire.payment(payments.get(payment_id, g.caller.merchant_id)))


@public(open_api, "GET", "/payments/<payment_id>/public")
def get_public_payment(payment_id: str) -> Response:
    return answer(wire.public_payment(payments.get(payment_id)))
