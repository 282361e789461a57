"""Creates orders at the gateway, and asks whether they are paid."""

import re

from test_merchant import api
from test_merchant.catalogue import CURRENCY, Line, total
from test_merchant.settings import Settings

ORDER_ID = re.compile(r"order_[A-Za-z0-9]{16}")
# A page waits for this; the next look comes soon.
LOOK_TIMEOUT_S = 3


class NoOrder(Exception):
    """The gateway gave no order; the text says what came instead, for the shop's owner."""


def create(settings: Settings, lines: tuple[Line, ...], idempotency_key: str) -> str:
    """The id of an order over these things, at the shop's own prices.

    idempotency_key   the same key gives the same order, however often it is asked for
    raises   NoOrder  no answer within 10 s, a refusal, or an answer that is no order
    """
    body = {
        "amount": total(lines),  # in paise
        "currency": CURRENCY,
        "notes": {line.item: f"{line.quantity} × {line.name}" for line in lines},
    }
    try:
        answer = api.ask(settings, "POST", "/api/v1/orders", body, idempotency_key=idempotency_key)
    except api.NoAnswer as problem:
        raise NoOrder(str(problem)) from None
    if answer.status != 201:
        raise NoOrder(f"The gateway answered {answer.status}. {answer.description}".strip())
    order_id = str(answer.fields.get("id"))
    if not ORDER_ID.fullmatch(order_id):
        raise NoOrder(f"{settings.gateway_url} answered 201, but not with an order. Is it the gateway?")
    return order_id


def is_paid(settings: Settings, order_id: str, amount: int, currency: str) -> bool:
    """Whether the gateway says that this order is paid, and over just this amount.

    For a webhook that is late. No answer means not yet: the webhook, or the next look, will tell.
    """
    try:
        answer = api.ask(settings, "GET", f"/api/v1/orders/{order_id}", timeout_s=LOOK_TIMEOUT_S)
    except api.NoAnswer:
        return False
    order = answer.fields
    seen = (answer.status, order.get("status"), order.get("amount"), order.get("currency"))
    return seen == (200, "paid", amount, currency)
