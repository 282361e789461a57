"""Puts load on a site: by wrk where it is installed and wanted, else by our own client."""

from gateway.bench import client, wrk
from gateway.bench.load import Load, Requests, checked
from gateway.bench.site import Site
from gateway.core.config import SEEDED_API_KEY, SEEDED_API_SECRET

HEADERS = {
    "Content-Type": "application/json",
    "X-Api-Key": SEEDED_API_KEY,
    "X-Api-Secret": SEEDED_API_SECRET,
}
_UPI = '{"order_id": "order_{n}", "method": "upi", "vpa": "asha@upi"}'


def press(site: Site, requests: Requests) -> Load:
    """Ask for this as often as the site answers, for the time of one load. Raises LoadFailed."""
    settings, port = site.settings, site.config.port
    if settings.with_wrk and wrk.is_installed():
        load = wrk.run(port, requests, site.directory, settings.connections, settings.seconds)
    else:
        load = client.run(port, requests.text, settings.connections, seconds=settings.seconds)
    return checked(load)


def payments(orders: int, *, key: str = "bench", same_key: bool = False) -> Requests:
    """UPI payments of the orders 1 to `orders` in turn, each with an Idempotency-Key."""
    return Requests("POST", "/api/v1/payments", HEADERS, _UPI, orders, key, same_key)


def get(path: str) -> Requests:
    return Requests("GET", path, HEADERS)
