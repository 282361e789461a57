"""People and places of the tests.

Every test that touches the database runs on both engines. PostgreSQL and Redis
are those that `python3 -m gateway test` found; without them that half is
skipped, and said so. Each test worker process has databases of its own.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, make_url, text
from werkzeug.test import TestResponse

from gateway import adapters
from gateway.app import connect, create_app, prepare
from gateway.core import clock, db, queue
from gateway.core.config import Config
from gateway.core.db import session, transaction
from gateway.core.ids import new_id
from gateway.domain import merchants, wire
from gateway.domain.endpoints import default as default_endpoint
from gateway.jobs import payments, refunds, webhooks
from gateway.jobs.desk import Job
from gateway.models import Base, Merchant
from tests.scripted import ScriptedBank

POSTGRES = os.environ.get("GATEWAY_TEST_POSTGRES_URL")
RIVAL_ID = "11111111-2222-4333-8444-555555555555"
# Made once for each engine; every test starts with them as they were.
PEOPLE = ("merchants", "users", "api_keys", "webhook_endpoints")


# These mostly wait, for leases to run out, pages to change and folders to be filled: browsers may run beside
# the others.
PATIENT = ("browser", "faults", "shop", "receivers", "test_bootstrap.py")
CROWDED = (
    *PATIENT,
    "races",
    "story",
    "bench",
    "test_compose.py",
    "test_check.py",
    "test_readme.py",
    "test_supervisor.py",
    "test_cli.py",
    "test_docs_snippets.py",
)


# First, because pytest-xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole gateways and crowds of processes take turns: many at once would ask too much of one machine."""
    for item in items:
        family = next((word for word in CROWDED if word in item.path.parts), None)
        if family is None:
            continue
        item.add_marker(pytest.mark.crowded)
        if family in PATIENT:
            item.add_marker(pytest.mark.patient)
        item.add_marker(pytest.mark.xdist_group("browser" if family == "browser" else "crowded"))


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def engine_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[dict[str, str]]:
    """The environment of a gateway with a fresh database of one kind."""
    settings = {
        "GATEWAY_VAR": str(tmp_path_factory.mktemp("var")),
        "TEST_MODE": "true",
        "WEBHOOK_RETRY_INTERVALS_TEST": "true",
    }
    if request.param == "sqlite":
        yield settings
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    with fresh_postgres(f"gateway_test_{worker_name}") as url:
        yield settings | {"DATABASE_URL": url}


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """A word for this test process: its pytest-xdist worker and its process id."""
    return f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"


class fresh_postgres:
    """An empty database on the test server, dropped at the end."""

    def __init__(self, name: str) -> None:
        assert POSTGRES is not None
        self.name = name
        self.admin = create_engine(
            POSTGRES.replace("postgresql://", "postgresql+psycopg2://"), isolation_level="AUTOCOMMIT"
        )

    def __enter__(self) -> str:
        with self.admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {self.name}"))
        url = self.admin.url.set(database=self.name, drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        with self.admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {self.name} WITH (FORCE)"))
        self.admin.dispose()


@pytest.fixture(scope="session")
def prepared(engine_settings: dict[str, str]) -> Iterator[tuple[Config, dict[str, list[dict[str, Any]]]]]:
    """A migrated, seeded database, and the rows of the people in it."""
    config = Config.from_env(engine_settings)
    prepare(config)
    with transaction():
        now = clock.now()
        session().add(
            Merchant(id=RIVAL_ID, name="Rival", email="rival@example.com", created_at=now, updated_at=now)
        )
        session().flush()
        session().add(merchants.new_api_key(RIVAL_ID, "key_rival", "secret_rival", shown=True))
        default_endpoint(RIVAL_ID)
    with db.engine().connect() as connection:
        tables = {table.name: table for table in Base.metadata.sorted_tables}
        people = {
            name: [dict(row) for row in connection.execute(tables[name].select()).mappings()]
            for name in PEOPLE
        }
    yield config, people
    db.disconnect()


@pytest.fixture
def config(prepared: tuple[Config, dict[str, list[dict[str, Any]]]]) -> Iterator[Config]:
    """This process connected to a clean database; nothing is rung, the clock is right."""
    config, people = prepared
    _empty(config)
    connect(config)
    queue.disconnect()
    with transaction():
        for table in Base.metadata.sorted_tables:
            if people.get(table.name):
                session().execute(table.insert(), people[table.name])
    merchants.forget_cached_keys()
    yield config
    clock.move(0)
    adapters.use_acquirer(None)
    db.disconnect()
    queue.disconnect()


def _empty(config: Config) -> None:
    """Delete every row, past the triggers that keep the ledger append-only."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    deletes = ";".join(f"DELETE FROM {name}" for name in tables)
    if config.is_embedded:
        with sqlite3.connect(str(make_url(config.database_url).database)) as connection:
            triggers = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            drops = ";".join(f"DROP TRIGGER {name}" for name, _ in triggers)
            remakes = ";".join(sql for _, sql in triggers)
            connection.executescript(f"BEGIN;{drops};{deletes};{remakes};COMMIT")
        connection.close()
    else:
        with psycopg2.connect(config.database_url.replace("+psycopg2", "")) as connection:
            connection.cursor().execute(f"SET session_replication_role = replica;{deletes}")
        connection.close()


_apps: dict[Config, Flask] = {}


@pytest.fixture
def app(config: Config) -> Flask:
    """The application of these settings. Its rules take long to compile, so all tests share it."""
    if config not in _apps:
        _apps[config] = create_app(config)
        queue.disconnect()
    return _apps[config]


@dataclass
class Person:
    """Somebody with credentials who talks to the API."""

    client: FlaskClient
    merchant_id: str
    key: str
    secret: str

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> TestResponse:
        own = {"X-Api-Key": self.key, "X-Api-Secret": self.secret}
        return self.client.open(f"/api/v1{path}", method=method, headers=own | (headers or {}), **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.ask("POST", path, json=body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.ask("PUT", path, json=body, **more)

    def order(self, amount: int = 50000, **more: Any) -> dict[str, Any]:
        answer = self.post("/orders", {"amount": amount, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json or {})

    def pay(self, order: dict[str, Any] | None = None, vpa: str = "asha@upi") -> dict[str, Any]:
        body = {"order_id": (order or self.order())["id"], "method": "upi", "vpa": vpa}
        answer = self.post("/payments", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json or {})

    def payment(self, payment_id: str) -> dict[str, Any]:
        return dict(self.get(f"/payments/{payment_id}").json or {})


@pytest.fixture
def merchant(app: Flask) -> Person:
    """The seeded test merchant."""
    return Person(app.test_client(), merchants.SEEDED_MERCHANT_ID, "key_test_abc123", "secret_test_xyz789")


@pytest.fixture
def rival(app: Flask) -> Person:
    """Another merchant, who must see nothing of the first one's."""
    return Person(app.test_client(), RIVAL_ID, "key_rival", "secret_rival")


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """Somebody without credentials."""
    return app.test_client()


@pytest.fixture
def bank(config: Config) -> ScriptedBank:
    """A processor that answers what the test tells it to."""
    scripted = ScriptedBank()
    adapters.use_acquirer(scripted)
    return scripted


def some_payment() -> dict[str, Any]:
    """What events tell of: another one each time, because each is told of once."""
    return wire.sample_payment() | {"id": new_id("pay")}


class Office:
    """The worker's work, done in the test's own thread whenever the test says so."""

    def settle(self) -> int:
        """Take due payments to the bank; says how many."""
        return self._work_off(payments.job())

    def refund(self) -> int:
        return self._work_off(refunds.job())

    def deliver(self) -> int:
        return self._work_off(webhooks.job())

    def _work_off(self, job: Job[Any, Any]) -> int:
        done = 0
        if job.hold is not None:
            return self._work_off_at_once(job, job.hold)
        while claims := self._claim(job):
            results = [(claim, job.call(claim)) for claim in claims]
            with transaction():
                job.record(results)
            done += len(claims)
        return done

    def _claim(self, job: Job[Any, Any]) -> Sequence[Any]:
        with transaction():
            return job.claim(job.slots, [])

    def _work_off_at_once(self, job: Job[Any, Any], hold: Callable[[int], Sequence[Any]]) -> int:
        done = 0
        while True:
            with transaction():
                held = hold(job.slots)
                if not held:
                    return done
                job.record([(claim, job.call(claim)) for claim in held])
                done += len(held)


@pytest.fixture
def office(config: Config) -> Office:
    return Office()


@pytest.fixture
def wait(config: Config) -> Callable[[float], None]:
    """Move the clock ahead by so many seconds; nobody sleeps."""
    moved = 0.0

    def move(seconds: float) -> None:
        nonlocal moved
        moved += seconds
        clock.move(moved)

    return move


@pytest.fixture
def rows(config: Config) -> Callable[..., list[dict[str, Any]]]:
    """What a table holds, asked in SQL."""

    def select(sql: str, **values: Any) -> list[dict[str, Any]]:
        with db.engine().connect() as connection:
            return [dict(row) for row in connection.execute(text(sql), values).mappings()]

    return select


PROJECT = Path(__file__).resolve().parents[1]
