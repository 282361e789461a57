"""A market: a gateway as real processes, and the test shop as another, selling through it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.conftest import POSTGRES, fresh_postgres
from tests.faults.processes import PYTHON, Process, free_port, wait_until
from tests.faults.servers import RedisServer
from tests.faults.town import Merchant, Town
from tests.story.customer import Customer

# A shop that is away may stay away for a minute.
RETRY_INTERVALS_S = [0] + [1] * 60


class Shop:
    """The test shop as a process. It keeps its books in a file, so it may be closed and opened again."""

    def __init__(self, directory: Path, gateway_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.books = directory / "shop.db"
        environ = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "GATEWAY_URL": gateway_url,
            "SHOP_DB": str(self.books),
        }
        self.http = urllib3.PoolManager(timeout=10, retries=False)
        self.process = Process([PYTHON, "-m", "test_merchant"], environ, directory / "shop.log")

    def open(self) -> None:
        if not self.process.is_running:
            self.process.start()
        wait_until(self._answers, 30, "an open shop")

    def _answers(self) -> bool:
        try:
            return self.http.request("GET", f"{self.url}/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def close(self) -> None:
        assert self.process.stop() == 0


class Market:
    def __init__(self, town: Town, directory: Path) -> None:
        self.town = town
        self.shop = Shop(directory, f"http://127.0.0.1:{town.port}")

    @property
    def merchant(self) -> Merchant:
        """The one whose shop it is."""
        return self.town.seeded_merchant()

    def customer(self) -> Customer:
        return Customer(self.shop.url)

    def heard(self, event: str, order_id: str) -> list[dict[str, Any]]:
        """What the shop believed and took, the newest first."""
        rows = self.shop.http.request("GET", f"{self.shop.url}/events.json").json()
        wanted = (event, order_id, 200)
        return [row for row in rows if (row["event"], row["order_id"], row["answer"]) == wanted]

    def wait_to_hear(self, event: str, order_id: str, times: int = 1) -> None:
        wait_until(lambda: len(self.heard(event, order_id)) >= times, 30, f"{event} in the shop")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def founded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Market]:
    """On SQLite with one web process, or on PostgreSQL and Redis with two."""
    directory = tmp_path_factory.mktemp(request.param)
    settings = {"TEST_PROCESSING_DELAY": "100", "WEBHOOK_RETRY_INTERVALS": str(RETRY_INTERVALS_S)}
    if request.param == "sqlite":
        with Town(directory, **settings) as town:
            yield from open_market(town, directory)
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    with (
        RedisServer(directory) as redis,
        fresh_postgres(f"gateway_story_{worker_name}") as database_url,
        Town(directory, DATABASE_URL=database_url, REDIS_URL=redis.url(0), **settings) as town,
    ):
        yield from open_market(town, directory)


def open_market(town: Town, directory: Path) -> Iterator[Market]:
    market = Market(town, directory)
    try:
        yield market
    finally:
        market.shop.process.kill()


@pytest.fixture
def market(founded: Market) -> Market:
    """Everybody is there, and the gateway knows where the shop is."""
    founded.shop.open()
    founded.merchant.receive_at(f"{founded.shop.url}/webhook")
    return founded


@pytest.fixture
def customer(market: Market) -> Customer:
    return market.customer()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """What the processes said last belongs to the report of a failure."""
    report = yield
    market = getattr(item, "funcargs", {}).get("founded")
    if report.failed and market is not None:
        for process in (market.town.web, market.town.worker, market.shop.process):
            report.sections.append((process.log.name, process.last_words()))
    return report
