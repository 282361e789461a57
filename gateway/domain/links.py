"""Payment links: what a merchant sends to a payer."""

from urllib.parse import urlencode

from gateway.core import config
from gateway.domain import merchants, orders
from gateway.models import Order


def payment_link(order: Order) -> str:
    """The address at which anybody who has it can pay this order; the one place that knows its form.

    It carries the order's checkout token where the merchant wants one.
    """
    carried = {"order_id": order.id}
    if merchants.shopfront(order.merchant_id).requires_token:
        carried["checkout_token"] = orders.checkout_token(order.id)
    return f"{config.current().checkout_url}/checkout?{urlencode(carried)}"
