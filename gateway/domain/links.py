"""Payment links: what a merchant sends to a payer."""

from urllib.parse import urlencode

from gateway.core import config
from gateway.models import Order


def payment_link(order: Order) -> str:
    """The address at which anybody who has it can pay this order; the one place that knows its form."""
    return f"{config.current().checkout_url}/checkout?{urlencode({'order_id': order.id})}"
