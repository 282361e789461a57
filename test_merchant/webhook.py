"""Does what a webhook says, exactly once. Copy the shape of `handle` into your shop."""

import json
import logging
from typing import Any

from test_merchant.books import Books, Order

log = logging.getLogger("test_merchant")


def read(raw_body: bytes) -> dict[str, Any] | None:
    """The event in a body whose signature held; None when it is no JSON object."""
    try:
        event = json.loads(raw_body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def handle(books: Books, event: dict[str, Any]) -> None:
    """Do what a verified event says. It may come any number of times, and in any order with others.

    `order.paid` is the one to ship on: it names the payment that paid the
    order. `payment.success` may also come of a second payment, which the
    gateway returns. An event that nobody here waits for is no error: tomorrow's
    gateway may send some that nobody knows today.
    """
    match event:
        case {"id": str(event_id), "data": {"payment": {"order_id": str(order_id)}}}:
            # One transaction: were the event noted and its deed not done, nobody would ever do it.
            with books.transaction():
                order = books.order(order_id)
                if order is None:
                    return  # sold elsewhere with the same key pair
                if books.is_news(event_id):
                    act(books, order, event)


def act(books: Books, order: Order, event: dict[str, Any]) -> None:
    match event:
        case {"event": "order.paid", "data": {"payment": {"id": str(payment_id)} as payment}}:
            paid = (payment.get("amount"), payment.get("currency"))
            if paid == (order.amount, order.currency):
                books.mark_paid(order.id, "webhook", payment_id)
            else:
                log.warning("%s was paid with %s: not what it costs, so it is not shipped", order.id, paid)
        case {"event": "refund.processed", "data": {"refund": {"id": str(refund_id), "amount": int(amount)}}}:
            books.enter_refund(refund_id, event["data"]["payment"]["id"], amount)
