"""Orders in JSON."""

from flask import Response, g

from gateway.api import api, open_api
from gateway.api.answers import answer, answer_page
from gateway.api.cors import public
from gateway.api.idempotent import idempotent
from gateway.api.reading import read, wanted
from gateway.core.db import reading
from gateway.domain import listing, orders, wire
from gateway.domain.orders import OrderBody
from gateway.models import Order
from gateway.models.orders import STATUSES as ORDER_STATUSES


def _shown(order: Order) -> wire.Json:
    """An order for its merchant's eyes; events and payers see no token."""
    return wire.order(order) | {"checkout_token": orders.checkout_token(order.id)}


@api.post("/orders")
@idempotent(is_light=True)
def create_order() -> tuple[wire.Json, int]:
    order = orders.create(g.caller.merchant_id, read(OrderBody))
    return _shown(order), 201


@api.get("/orders/<order_id>")
def get_order(order_id: str) -> Response:
    return answer(_shown(orders.get(g.caller.merchant_id, order_id)))


@api.get("/orders")
def list_orders() -> Response:
    asked = wanted(status=ORDER_STATUSES)
    with reading():
        return answer_page(listing.page(Order, g.caller.merchant_id, asked), _shown, asked)


@public(open_api, "GET", "/orders/<order_id>/public")
def get_public_order(order_id: str) -> Response:
    order = orders.find(order_id)
    return answer(wire.public_order(order))
