"""Lists over a growing database, and how much dearer a payment is in it at the end."""

from collections.abc import Iterator

from gateway.bench import client, costs, driver, journey
from gateway.bench.figures import Figure, Target
from gateway.bench.settings import Settings
from gateway.bench.site import Site
from gateway.core import db
from gateway.fill import fill, finish

LOOKS = 60
_WARM_UP = 10


def lists(settings: Settings) -> Iterator[Figure]:
    orders = 2 * settings.payments + journey.WARM_UP
    with journey.open_street(settings, orders, journey.SUCCESS_ONLY) as (site, shop):
        journey.travel(site, shop, 0, journey.WARM_UP, orders, 1)
        early = journey.travel(site, shop, journey.WARM_UP, settings.payments, orders, 1)
        filled, biggest = 0, max(settings.rows)
        for rows in sorted(settings.rows):
            for _ in fill(rows - filled):
                pass
            finish()
            filled = rows
            yield from _pages(site, rows, is_judged=rows == biggest)
        first = journey.WARM_UP + settings.payments
        late = journey.travel(site, shop, first, settings.payments, orders, 1)
        if costs.are_known():
            growth = (late.cpu_s / early.cpu_s - 1) * 100
            label = f"CPU of a payment, empty to {biggest:,} rows"
            yield Figure(label, growth, "% more", None, settings.target(most=15))


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
