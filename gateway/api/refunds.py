"""Refunds in JSON."""

from flask import Response, g

from gateway.api import api
from gateway.api.answers import answer, answer_page
from gateway.api.idempotent import idempotent
from gateway.api.reading import read, wanted
from gateway.core.db import reading
from gateway.domain import listing, payments, refunds, wire
from gateway.domain.refunds import RefundBody
from gateway.models import Refund
from gateway.models.refunds import STATUSES


@api.post("/payments/<payment_id>/refunds")
@idempotent()
def create_refund(payment_id: str) -> tuple[wire.Json, int]:
    body = read(RefundBody)
    refund = refunds.create(g.caller.merchant_id, payment_id, body.amount, body.reason, g.caller.key)
    return wire.refund(refund), 201


@api.get("/refunds/<refund_id>")
def get_refund(refund_id: str) -> Response:
    return answer(wire.refund(refunds.get(g.caller.merchant_id, refund_id)))


@api.get("/refunds")
def list_refunds() -> Response:
    asked = wanted(status=STATUSES, payment_id=None)
    with reading():
        return answer_page(listing.page(Refund, g.caller.merchant_id, asked), wire.refund, asked)


@api.get("/payments/<payment_id>/refunds")
def list_refunds_of_payment(payment_id: str) -> Response:
    payment = payments.get(payment_id, g.caller.merchant_id)
    asked = wanted(status=STATUSES)
    asked.where["payment_id"] = payment.id
    with reading():
        return answer_page(listing.page(Refund, g.caller.merchant_id, asked), wire.refund, asked)
