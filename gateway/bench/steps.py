"""The steps: what is done, one after another, and which figures come of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.bench import driver, journey, lists, single_insert
from gateway.bench.driver import HEADERS, press
from gateway.bench.figures import R1, R2, R3, Figure
from gateway.bench.load import Requests
from gateway.bench.settings import Settings
from gateway.bench.site import REFERENCE, open_site
from gateway.core import db

# As many as wrk may use up in a few seconds; after the last one it begins anew.
_ORDERS = 20_000
_ORDER = '{"amount": 50000, "receipt": "bench-{n}"}'


@dataclass(frozen=True)
class Step:
    """One step. `of` names the step whose figure its targets are shares of."""

    name: str
    run: Callable[[Settings], Iterable[Figure]]
    is_repeated: bool = True
    of: str | None = None


def references(settings: Settings) -> Iterator[Figure]:
    with open_site(settings) as site:
        with db.engine().begin() as connection:
            connection.exec_driver_sql(single_insert.TABLE)
        site.serve(REFERENCE)
        body = '{"order_id": "order_{n}", "method": "upi", "vpa": "asha@upi"}'
        r1 = press(site, Requests("POST", "/json", HEADERS, body, _ORDERS))
        yield Figure(R1, r1.per_second, "/s")
        r2 = press(site, Requests("POST", "/insert", HEADERS, body, _ORDERS))
        yield Figure(R2, r2.per_second, "/s")
        if not settings.on_sqlite:
            url, connections = site.config.database_url, site.config.web_workers * site.config.web_threads
            r3 = single_insert.by_pgbench(url, site.directory, settings.seconds, connections)
            if r3 is not None:
                yield Figure(R3, r3, "/s")


def orders(settings: Settings) -> Iterator[Figure]:
    with open_site(settings) as site:
        site.serve()
        load = press(site, Requests("POST", "/api/v1/orders", HEADERS, _ORDER, key="order"))
        yield Figure("POST orders", load.per_second, "/s", R2)


def payments(settings: Settings) -> Iterator[Figure]:
    for worker, least in (("stopped", 0.75), ("running", 0.5)):
        with open_site(settings) as site:
            site.make_orders(_ORDERS)
            site.serve()
            if worker == "running":
                site.work()
            load = press(site, driver.payments(_ORDERS))
            label, target = f"POST payments, worker {worker}", settings.target(least=least)
            yield Figure(label, load.per_second, "/s", R2, target)


def repeats(settings: Settings) -> Iterator[Figure]:
    """The same key again and again, and one payment looked at again and again."""
    with open_site(settings) as site:
        site.make_orders(1)
        site.serve()
        load = press(site, driver.payments(1, key="same", same_key=True))
        yield Figure("replay of a key", load.per_second, "/s", R2)
        with db.engine().connect() as connection:
            payment_id = connection.exec_driver_sql("SELECT id FROM payments").scalar()
        load = press(site, driver.get(f"/api/v1/payments/{payment_id}"))
        yield Figure("GET payment", load.per_second, "/s", R2)


_STEPS = (
    Step("references", references),
    Step("orders", orders, of="references"),
    Step("payments", payments, of="references"),
    Step("repeats", repeats, of="references"),
    Step("webhooks", journey.webhooks, of="references"),
    Step("trickle", journey.trickle),
    Step("refunds", journey.refunds),
    Step("delay", journey.delay),
    Step("lists", lists.lists, is_repeated=False),
)
NAMES = tuple(step.name for step in _STEPS)


def chosen(only: Iterable[str]) -> list[Step]:
    """These steps and those that their figures are compared with; all of them when none is named."""
    wanted = set(only) or set(NAMES)
    wanted |= {step.of for step in _STEPS if step.name in wanted and step.of is not None}
    return [step for step in _STEPS if step.name in wanted]
