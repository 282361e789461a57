"""Lists over a growing database, and how much dearer a payment is in it than in an empty one."""

from collections.abc import Iterator
from statistics import median

from gateway.bench import client, costs, driver, journey
from gateway.bench.figures import Figure, Target
from gateway.bench.journey import Shop
from gateway.bench.settings import Settings
from gateway.bench.site import Site
from gateway.core import db
from gateway.fill import fill, finish

LOOKS = 60
_WARM_UP = 10


def lists(settings: Settings) -> Iterator[Figure]:
    orders = settings.turns * settings.payments + journey.WARM_UP
    wanted = (settings, orders, journey.SUCCESS_ONLY)
    with journey.open_street(*wanted) as empty, journey.open_street(*wanted) as full:
        filled, biggest = 0, max(settings.rows)
        for rows in sorted(settings.rows):
            for _ in fill(rows - filled):
                pass
            finish()
            filled = rows
            yield from _pages(full[0], rows, is_judged=rows == biggest)
        if costs.are_known():
            growth = _growth(empty, full, settings.payments, orders)
            label = f"CPU of a payment, empty to {biggest:,} rows"
            yield Figure(label, growth, "% more", None, settings.target(most=15))


def _growth(empty: tuple[Site, Shop], full: tuple[Site, Shop], payments: int, orders: int) -> float:
    """By how many percent a payment costs more in the full one: trips, as many as there are turns, now here
    and now there, so that whatever else the machine is busy with falls on both."""

    def cpu_s(street: tuple[Site, Shop], first: int, count: int) -> float:
        site, shop = street
        site.attend()
        return journey.travel(site, shop, first, count, orders, 1).cpu_s

    for street in (empty, full):
        cpu_s(street, 0, journey.WARM_UP)
    firsts = range(journey.WARM_UP, orders, payments)
    return (
        median(cpu_s(full, first, payments) / cpu_s(empty, first, payments) for first in firsts) - 1
    ) * 100


def _pages(site: Site, rows: int, is_judged: bool) -> Iterator[Figure]:
    """First, filtered and deep pages of payments. SQLite is held to the same pace here."""
    target = Target(most=3) if is_judged else None
    pages = {
        "first page": ("", target),
        "filtered page": ("status=failed", None),
        "deep page by key": (f"after={_payment_in_the_middle(rows)}", target),
        "deep page by offset": (f"offset={rows // 2}", None),
    }
    for name, (query, judged_by) in pages.items():
        request = driver.get(f"/api/v1/payments?{query}").text
        client.run(site.config.port, request, 2, most=_WARM_UP)
        load = client.run(site.config.port, request, 1, most=LOOKS)
        yield Figure(f"list of {rows:,}, {name}, p50", load.p50_ms, "ms", None, judged_by)


def _payment_in_the_middle(rows: int) -> str:
    query = f"SELECT id FROM payments ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET {rows // 2}"
    with db.engine().connect() as connection:
        return str(connection.exec_driver_sql(query).scalar())
