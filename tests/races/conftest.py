"""A gateway of which every part may be touched by many at once, on each engine.

The deeds are done by real processes on one database, and by real web servers:
two of them on PostgreSQL, one on SQLite. Every test begins with an empty
database and merchants of its own; nothing is due later than now.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3

from gateway.app import connect, prepare
from gateway.core import clock
from gateway.core.config import Config
from gateway.core.db import reading, session, transaction
from gateway.domain import endpoints, merchants, orders, payments, verification
from gateway.domain.methods import Instrument
from gateway.domain.orders import OrderBody
from gateway.models import Merchant
from tests.conftest import POSTGRES, _empty, fresh_postgres
from tests.faults.processes import PYTHON, Process, free_port, wait_until
from tests.races.crowd import Clerk, Crowd, arrive, leave
from tests.scripted import PAID

MEMBERS = 8
SETTINGS = {
    "GATEWAY_BOOTSTRAP": "off",
    "HOST": "127.0.0.1",
    "TEST_MODE": "true",
    "TEST_PROCESSING_DELAY": "0",
    "TEST_REFUND_DELAY": "0",
    "REPEAT_PAYMENTS": "refuse",
    "WEBHOOK_RETRY_INTERVALS": "[0, 0, 0, 0, 0]",
}


@dataclass(frozen=True)
class Site:
    """Where a gateway may be started: its database and its settings."""

    environ: dict[str, str]
    directory: Path

    @property
    def config(self) -> Config:
        return Config.from_env(self.environ)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp(request.param)
    environ = SETTINGS | {"GATEWAY_VAR": str(directory), "PORT": str(free_port())}
    if request.param == "sqlite":
        yield Site(environ, directory)
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    with fresh_postgres(f"gateway_races_{worker_name}") as url:
        yield Site(environ | {"DATABASE_URL": url}, directory)


@pytest.fixture(scope="session")
def everybody() -> Iterator[Crowd]:
    with Crowd(MEMBERS) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def built(site: Site) -> Config:
    """The settings of a gateway whose database is migrated."""
    prepare(site.config)
    leave()
    return site.config


@pytest.fixture
def config(built: Config) -> Iterator[Config]:
    """This process connected to an empty database."""
    _empty(built)
    connect(built)
    yield built
    leave()


@pytest.fixture
def crowd(everybody: Crowd, config: Config) -> Iterator[Crowd]:
    """Processes at work on the same database. They keep no connection longer: PostgreSQL has only so many."""
    everybody.all_do(arrive, config)
    yield everybody
    everybody.all_do(leave)


@pytest.fixture
def settle_in(config: Config) -> Callable[[], str]:
    """Lets a new merchant move in and says the id."""

    def settle_in() -> str:
        merchant_id = str(uuid4())
        now = clock.now()
        with transaction():
            session().add(
                Merchant(
                    id=merchant_id,
                    name="New",
                    email=f"{merchant_id}@x.example",
                    created_at=now,
                    updated_at=now,
                )
            )
            session().flush()
            session().add(merchants.new_api_key(merchant_id, f"key_{merchant_id}", "secret", shown=False))
        return merchant_id

    return settle_in


@pytest.fixture
def merchant_id(settle_in: Callable[[], str]) -> str:
    return settle_in()


@pytest.fixture
def shop(merchant_id: str) -> str:
    """The merchant's endpoint, which nobody really calls."""
    with transaction():
        return endpoints.configure(merchant_id, "test", "http://shop.example/hook").id


@pytest.fixture
def pay(merchant_id: str) -> Callable[..., list[str]]:
    """Makes a new order that so many are about to pay; the ids of their payments, which are due."""

    def pay(payers: int = 1, amount: int = 50000) -> list[str]:
        with transaction():
            order_id = orders.create(merchant_id, OrderBody(amount=amount)).id
        order = orders.find(order_id)
        with transaction():
            return [payments.create(order, Instrument("upi", vpa="asha@upi")).id for _ in range(payers)]

    return pay


@pytest.fixture
def paid(pay: Callable[..., list[str]]) -> Callable[[int], str]:
    """Makes a successful payment and says its id."""

    def paid(amount: int) -> str:
        (payment_id,) = pay(amount=amount)
        with transaction():
            claims = payments.claim(1)
        with transaction():
            payments.settle([(claim, PAID) for claim in claims])
        return payment_id

    return paid


@pytest.fixture(scope="module")
def web_port(site: Site, built: Config) -> Iterator[int]:
    """The port of the gateway's web servers."""
    web = Process([PYTHON, "-m", "gateway", "web"], site.environ, site.directory / "web.log")
    web.start()

    def is_there() -> bool:
        assert web.is_running, web.last_words()
        try:
            answer = urllib3.request("GET", f"http://127.0.0.1:{built.port}/health/live", retries=False)
            return answer.status == 200
        except urllib3.exceptions.HTTPError:
            return False

    try:
        wait_until(is_there, 30, "an answer of the web server")
        yield built.port
    finally:
        web.kill()


@pytest.fixture
def clerk(web_port: int, merchant_id: str) -> Clerk:
    """The merchant at the API."""
    return Clerk(web_port, f"key_{merchant_id}", "secret")


@pytest.fixture
def audit(config: Config) -> Callable[[], None]:
    """Fails where the books do not agree."""

    def audit() -> None:
        with reading():
            assert verification.complaints() == {}

    return audit
