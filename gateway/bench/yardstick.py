"""R1, R2 and R3: what the same machine does with less to do."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.bench import single_insert
from gateway.bench.driver import HEADERS, press
from gateway.bench.figures import R1, R2, R3, Figure
from gateway.bench.load import Requests
from gateway.bench.settings import Settings
from gateway.bench.site import REFERENCE, Site, open_site
from gateway.core import db

_BODY = '{"order_id": "order_{n}", "method": "upi", "vpa": "asha@upi"}'


@dataclass(frozen=True)
class Yardstick:
    """Serves the reference, and is laid beside a load whenever somebody asks: requests a second."""

    site: Site

    def r1(self) -> float:
        return press(self.site, _post("/json")).per_second

    def r2(self) -> float:
        return press(self.site, _post("/insert")).per_second

    def r3(self) -> float | None:
        """None where pgbench is not installed, and on SQLite."""
        settings, config = self.site.settings, self.site.config
        if settings.on_sqlite:
            return None
        connections = config.web_workers * config.web_threads
        return single_insert.by_pgbench(
            config.database_url, self.site.directory, settings.seconds, connections
        )


def _post(path: str) -> Requests:
    return Requests("POST", path, HEADERS, _BODY, numbers=20_000)


@contextlib.contextmanager
def open_yardstick(settings: Settings) -> Iterator[Yardstick]:
    with open_site(settings) as site:
        with db.engine().begin() as connection:
            connection.exec_driver_sql(single_insert.TABLE)
        site.serve(REFERENCE)
        yield Yardstick(site)


def references(settings: Settings) -> Iterator[Figure]:
    with open_yardstick(settings) as yardstick:
        yield Figure(R1, yardstick.r1(), "/s")
        yield Figure(R2, yardstick.r2(), "/s")
        r3 = yardstick.r3()
        if r3 is not None:
            yield Figure(R3, r3, "/s")
