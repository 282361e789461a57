"""A gateway of its own for one step: empty database, free ports, processes, all gone at the end."""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text, update

from gateway import app
from gateway.bench import stores
from gateway.bench.programs import Program, listeners
from gateway.bench.settings import Settings
from gateway.core import db, queue
from gateway.core.config import Config
from gateway.core.db import session, transaction
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.models import Endpoint
from gateway.stack import fetch, free_port, granian

START_TIMEOUT_S = 30.0
WEB, REFERENCE = "wsgi:app", "gateway.bench.reference:app"

T = TypeVar("T")

_NUMBERS = {
    "postgresql": "generate_series(1, :count) AS n",
    "sqlite": "(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < :count)"
    " SELECT n FROM r)",
}
_PADDED = {"postgresql": "lpad(CAST(n AS text), 16, '0')", "sqlite": "printf('%016d', n)"}
_NOW = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"}


class Stuck(Exception):
    """Something did not come to pass in the time it was given."""


@dataclass
class Site:
    """Where a step's gateway runs, and what may be asked of it."""

    settings: Settings
    config: Config
    environ: dict[str, str]
    directory: Path
    programs: list[Program] = field(default_factory=list)

    def attend(self) -> None:
        """Let this process, too, speak with this site's database, and no longer with another's."""
        app.connect(self.config)

    def start(self, name: str, command: list[str], environ: dict[str, str] | None = None) -> Program:
        log = self.directory / f"{name}.log"
        program = Program(name, command, {**self.environ, **(environ or {})}, log)
        self.programs.append(program)
        return program

    def serve(self, target: str = WEB) -> None:
        self.start("web", granian(self.config, self.environ, target))
        self.wait_until(lambda: fetch(f"{self.url}/health/ready"), START_TIMEOUT_S, "the web server answers")
        # Each process opens the port for itself. What connects before the last has done so keeps to the
        # others for as long as it stays connected, and half of the server would be measured.
        processes = 1 if self.config.is_embedded else self.config.web_workers
        self.wait_until(
            lambda: listeners(self.config.port, processes) >= processes,
            START_TIMEOUT_S,
            "all web processes listen",
        )

    def work(self) -> None:
        """Start the worker; only when it is needed, so that its cost is seen apart."""
        self.start("worker", [sys.executable, "huey_worker.py"])

        def is_at_work() -> bool:
            health = fetch(f"{self.url}/health")
            return health is not None and json.loads(health)["worker"] == "running"

        self.wait_until(is_at_work, START_TIMEOUT_S, "the worker works")

    def wait_until(self, look: Callable[[], T], timeout_s: float, wanted: str, pause_s: float = 0.02) -> T:
        """What `look` finds as soon as it finds something. Raises Stuck when that takes too long."""
        ends_at = time.monotonic() + timeout_s
        while not (found := look()):
            dead = [program for program in self.programs if not program.is_running]
            if dead or time.monotonic() > ends_at:
                told = [f"{program.name}: {program.last_words()}" for program in dead or self.programs]
                raise Stuck("\n".join([f"in vain: {wanted}", *told]))
            time.sleep(pause_s)
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config.port}"

    def make_orders(self, count: int) -> None:
        """Unpaid orders order_0000000000000001 up to `count`, written by the database itself."""
        dialect = db.engine().dialect.name
        now = _NOW[dialect]
        statement = (
            "INSERT INTO orders (id, merchant_id, amount, currency, status, created_at, updated_at)"
            f" SELECT 'order_' || {_PADDED[dialect]}, :merchant_id, 50000, 'INR', 'created', {now}, {now}"
            f" FROM {_NUMBERS[dialect]}"
        )
        with transaction():
            session().execute(text(statement), {"count": count, "merchant_id": SEEDED_MERCHANT_ID})
        self.look_at_tables()

    def look_at_tables(self) -> None:
        """Let the database count its rows, as autovacuum would by and by."""
        with db.engine().connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))

    def send_webhooks_to(self, url: str, events: list[str] | None) -> None:
        with transaction():
            session().execute(
                update(Endpoint)
                .where(Endpoint.merchant_id == SEEDED_MERCHANT_ID)
                .values(url=url, events=events)
            )


@contextlib.contextmanager
def open_site(settings: Settings, **environ: str) -> Iterator[Site]:
    """A migrated, seeded, empty gateway with no process running yet."""
    with contextlib.ExitStack() as undo:
        directory = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        port = free_port()
        complete = {
            "GATEWAY_BOOTSTRAP": "off",
            "GATEWAY_VAR": str(directory),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "TEST_MODE": "true",
            "TEST_PROCESSING_DELAY": "0",
            "TEST_REFUND_DELAY": "0",
            **environ,
        }
        if not settings.on_sqlite:
            complete["DATABASE_URL"] = undo.enter_context(stores.fresh_database(settings.postgres_url))
            complete["REDIS_URL"] = undo.enter_context(stores.fresh_redis(settings.redis_url))
        site = Site(settings, Config.from_env(complete), complete, directory)
        undo.callback(_close, site)
        app.prepare(site.config)
        yield site


def _close(site: Site) -> None:
    for program in reversed(site.programs):
        program.stop()
    db.disconnect()
    queue.disconnect()
