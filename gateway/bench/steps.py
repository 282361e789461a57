"""The steps: what is done, one after another, and which figures come of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.bench import driver, journey, lists
from gateway.bench.driver import HEADERS, press
from gateway.bench.figures import R2, Figure
from gateway.bench.load import Requests
from gateway.bench.settings import Settings
from gateway.bench.site import open_site
from gateway.bench.yardstick import open_yardstick, references
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


def orders(settings: Settings) -> Iterator[Figure]:
    with open_site(settings) as site:
        site.serve()
        load = press(site, Requests("POST", "/api/v1/orders", HEADERS, _ORDER, key="order"))
        yield Figure("POST orders", load.per_second, "/s", R2)


def payments(settings: Settings) -> Iterator[Figure]:
    with open_yardstick(settings) as yardstick:
        for worker, least in (("stopped", 0.75), ("running", 0.5)):
            yield (r2 := Figure(R2, yardstick.r2(), "/s"))
            with open_site(settings) as site:
                site.make_orders(_ORDERS)
                site.serve()
                if worker == "running":
                    site.work()
                load = press(site, driver.payments(_ORDERS))
            label, target = f"POST payments, worker {worker}", settings.target(least=least)
            yield Figure(label, load.per_second, "/s", R2, target, beside=r2.value)


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
