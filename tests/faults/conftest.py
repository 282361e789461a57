"""The towns in which things go wrong, and who lives there.

A town is founded once for each engine; whatever a test broke in it is mended
before the next one. Every test has merchants of its own, so that no test hears
of another one's payments.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import POSTGRES, fresh_postgres
from tests.faults.letterbox import Letterbox
from tests.faults.servers import RedisServer
from tests.faults.town import Merchant, Town

EMBEDDED, SERVED = "sqlite", "postgres"
only_with_redis = pytest.mark.parametrize("founded", [SERVED], indirect=True, scope="session")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session", params=[EMBEDDED, SERVED])
def founded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Town]:
    """A gateway on SQLite with one web process, or on PostgreSQL and Redis with two."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == EMBEDDED:
        with Town(directory) as town:
            yield town
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    redis_url = request.getfixturevalue("redis_server").url(0)
    with (
        fresh_postgres(f"gateway_faults_{worker_name}") as database_url,
        Town(directory, DATABASE_URL=database_url, REDIS_URL=redis_url) as town,
    ):
        yield town


@pytest.fixture
def town(founded: Town) -> Town:
    founded.mend()
    return founded


@pytest.fixture
def arrive(town: Town) -> Iterator[Callable[[], Merchant]]:
    """Lets a new merchant move in; after the test nobody writes to them any more."""
    arrived: list[Merchant] = []

    def arrive() -> Merchant:
        arrived.append(town.new_merchant())
        return arrived[-1]

    yield arrive
    town.mend()
    for merchant in arrived:
        merchant.receive_at(None)


@pytest.fixture
def merchant(arrive: Callable[[], Merchant], letterbox: Letterbox) -> Merchant:
    """The merchant this test is about; their webhooks come to the letterbox."""
    newcomer = arrive()
    newcomer.receive_at(letterbox.url)
    return newcomer


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    with Letterbox() as box:
        yield box


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """What web and worker said last belongs to the report of a failure."""
    report = yield
    town = getattr(item, "funcargs", {}).get("founded")
    if report.failed and town is not None:
        for process in (town.web, town.worker):
            report.sections.append((process.log.name, process.last_words()))
    return report
