"""From the POST of a payment to its webhook in the shop, and back again by a refund."""

import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from gateway.bench import client, costs, driver, receiver
from gateway.bench.figures import R2, Figure, Target
from gateway.bench.load import Requests, checked
from gateway.bench.settings import Settings
from gateway.bench.site import Site, open_site
from gateway.bench.yardstick import Yardstick, open_yardstick
from gateway.core import db
from gateway.core.config import SEEDED_WEBHOOK_SECRET
from gateway.stack import fetch, free_port

# What a payment that succeeds tells: created, pending, success, and its order paid.
EVENTS_OF_A_PAYMENT = 4
SUCCESS_ONLY = ["payment.success"]
WARM_UP = 100
TRICKLE_PER_S = 20
_TRICKLE_S = 5
_PATIENCE_S = 90.0
_ID = re.compile(rb'"id":"((?:pay|rfnd)_\w{16})"')


@dataclass(frozen=True)
class Trip:
    """So many payments on their way to the shop.

    per_second  payments, from the first POST to the last webhook
    p50_ms, p99_ms  from a POST's answer to the genuine webhook of its success
    cpu_s       processor time of the gateway per 1,000 payments
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


class Shop:
    """The receiver of a site's webhooks."""

    def __init__(self, site: Site) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        # As a file of its own: as a module of the package it would first load the whole gateway. -P keeps
        # this folder, with its own `site.py`, out of what it may import.
        command = [sys.executable, "-P", receiver.__file__, str(port)]
        site.start("shop", command, {"WEBHOOK_SECRET": SEEDED_WEBHOOK_SECRET})
        site.wait_until(lambda: fetch(f"{self.url}/count"), 10, "the shop is open")

    def count(self) -> int:
        return int(fetch(f"{self.url}/count") or 0)

    def succeeded_at(self) -> dict[str, float]:
        """When the webhook of each payment's success came. None may have been forged."""
        told = json.loads(fetch(f"{self.url}/heard") or b"{}")
        assert told["forged"] == 0, f"{told['forged']} webhooks had a wrong signature"
        return {payment_id: at for payment_id, event, at in told["heard"] if event == "payment.success"}


@contextlib.contextmanager
def open_street(
    settings: Settings, orders: int, events: list[str] | None, **environ: str
) -> Iterator[tuple[Site, Shop]]:
    """A gateway with web and worker, unpaid orders, and a shop that hears of these events."""
    with open_site(settings, **environ) as site:
        site.make_orders(orders)
        shop = Shop(site)
        site.send_webhooks_to(f"{shop.url}/webhook", events)
        site.serve()
        site.work()
        yield site, shop


def travel(
    site: Site,
    shop: Shop,
    first: int,
    payments: int,
    orders: int,
    events: int,
    per_second: float | None = None,
) -> Trip:
    """Pay the orders from number `first` on and wait until the shop has heard of all."""
    answered_at: dict[str, float] = {}

    def note(_at: int, answer: bytes) -> None:
        found = _ID.search(answer)
        if found is not None:
            answered_at[found[1].decode()] = time.monotonic()

    requests = driver.payments(orders, key=f"trip-{first}")
    # Made before the clock runs: what the client needs is not left for the gateway.
    texts = {at: requests.text(at) for at in range(first, first + payments)}
    heard_before = shop.count()
    cpu_before = costs.cpu_s(site) if costs.are_known() else 0.0
    began = time.monotonic()
    load = client.run(
        site.config.port,
        texts.__getitem__,
        site.settings.connections,
        most=payments,
        first=first,
        per_second=per_second,
        hear=note,
    )
    checked(load)
    wanted = heard_before + payments * events
    site.wait_until(lambda: shop.count() >= wanted, _PATIENCE_S, f"{wanted} webhooks", pause_s=0.1)
    site.wait_until(lambda: not _count(_UNFINISHED), _PATIENCE_S, "all are recorded", pause_s=0.1)
    cpu_s = costs.cpu_s(site) - cpu_before if costs.are_known() else 0.0
    came_at = shop.succeeded_at()
    waits = [max(0.0, came_at[payment_id] - at) for payment_id, at in answered_at.items()]
    took_s = max(came_at[payment_id] for payment_id in answered_at) - began
    return Trip(payments / took_s, *client.percentiles_ms(waits), cpu_s / payments * 1000)


_UNFINISHED = "SELECT count(*) FROM webhook_logs WHERE status = 'pending'"


def _count(query: str) -> int:
    with db.engine().connect() as connection:
        return int(connection.execute(text(query)).scalar() or 0)


def webhooks(settings: Settings) -> Iterator[Figure]:
    """End to end as fast as it goes, with the event most shops want, and with all of them."""
    with open_yardstick(settings) as yardstick:
        yield from _success_event(settings, yardstick)
        yield from _all_events(settings, yardstick)


def _success_event(settings: Settings, yardstick: Yardstick) -> Iterator[Figure]:
    orders = settings.payments + WARM_UP
    label = "end to end, success event"
    yield (r2 := Figure(R2, yardstick.r2(), "/s"))
    with open_street(settings, orders, SUCCESS_ONLY) as (site, shop):
        travel(site, shop, 0, WARM_UP, orders, 1)
        trip = travel(site, shop, WARM_UP, settings.payments, orders, 1)
        if settings.on_sqlite:
            yield Figure(label, trip.per_second, "/s", None, Target(least=500))
        else:
            target = settings.target(least=0.45)
            yield Figure(label, trip.per_second, "/s", R2, target, beside=r2.value)
        yield Figure("POST to webhook saturated, p50", trip.p50_ms, "ms", None, settings.target(most=30))
        yield Figure("POST to webhook saturated, p99", trip.p99_ms, "ms", None, settings.target(most=100))
        if costs.are_known():
            yield Figure("CPU per 1,000 payments", trip.cpu_s, "s", None, settings.target(most=1.4))
            for name, megabytes in costs.memory_mb(site).items():
                yield Figure(f"memory: {name}", megabytes, "MB")


def _all_events(settings: Settings, yardstick: Yardstick) -> Iterator[Figure]:
    orders = settings.payments + WARM_UP
    yield (r2 := Figure(R2, yardstick.r2(), "/s"))
    with open_street(settings, orders, None) as (site, shop):
        travel(site, shop, 0, WARM_UP, orders, EVENTS_OF_A_PAYMENT)
        trip = travel(site, shop, WARM_UP, settings.payments, orders, EVENTS_OF_A_PAYMENT)
        yield Figure("end to end, all events", trip.per_second, "/s", R2, beside=r2.value)
        if costs.are_known():
            yield Figure("CPU per 1,000, all events", trip.cpu_s, "s")


def trickle(settings: Settings) -> Iterator[Figure]:
    """A quiet day: twenty payments a second."""
    payments = min(settings.payments, TRICKLE_PER_S * _TRICKLE_S)
    orders = payments + WARM_UP
    with open_street(settings, orders, SUCCESS_ONLY) as (site, shop):
        travel(site, shop, 0, WARM_UP, orders, 1)
        trip = travel(site, shop, WARM_UP, payments, orders, 1, per_second=TRICKLE_PER_S)
        label = f"POST to webhook at {TRICKLE_PER_S}/s"
        yield Figure(f"{label}, p50", trip.p50_ms, "ms", None, settings.target(most=5))
        yield Figure(f"{label}, p99", trip.p99_ms, "ms")


def refunds(settings: Settings) -> Iterator[Figure]:
    """Every refund asked for at once, and how fast they are created and paid back."""
    count = settings.refunds
    with open_street(settings, count, SUCCESS_ONLY) as (site, shop):
        travel(site, shop, 0, count, count, 1)
        ids = list(shop.succeeded_at())
        began = time.monotonic()
        load = client.run(
            site.config.port, lambda at: _refund_of(ids[at]).text(at), settings.connections, most=count
        )
        checked(load)
        processed = "SELECT count(*) FROM refunds WHERE status = 'processed'"
        site.wait_until(lambda: _count(processed) >= count, _PATIENCE_S, "all are refunded")
        took_s = time.monotonic() - began
        yield Figure("refunds created", load.per_second, "/s")
        yield Figure("refunds processed", count / took_s, "/s", None, settings.target(least=400))


def _refund_of(payment_id: str) -> Requests:
    """Ten rupees back."""
    path = f"/api/v1/payments/{payment_id}/refunds"
    return Requests("POST", path, driver.HEADERS, '{"amount": 1000}', key="refund")


def delay(settings: Settings) -> Iterator[Figure]:
    """Many payments at a bank that takes a second: they wait beside each other, not in a row."""
    count = settings.delayed
    settled = "SELECT count(*) FROM payments WHERE status = 'success'"
    with open_street(settings, count + WARM_UP, [], TEST_PROCESSING_DELAY="1000") as (site, _shop):
        requests = driver.payments(count + WARM_UP)
        port, connections = site.config.port, settings.connections
        checked(client.run(port, requests.text, connections, most=WARM_UP))
        site.wait_until(lambda: _count(settled) >= WARM_UP, _PATIENCE_S, "they settle", pause_s=0.2)
        began = time.monotonic()
        checked(client.run(port, requests.text, connections, most=count, first=WARM_UP))
        site.wait_until(lambda: _count(settled) >= count + WARM_UP, _PATIENCE_S, "they settle")
        took_s = time.monotonic() - began
        yield Figure(f"{count} payments with a delay of 1 s", took_s, "s", None, settings.target(most=1.3))
