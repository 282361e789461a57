"""PostgreSQL stopped and started again, under web and worker that go on running."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.letterbox import Letterbox
from tests.faults.processes import wait_until
from tests.faults.servers import PostgresServer, RedisServer
from tests.faults.shoppers import Shoppers
from tests.faults.town import Merchant, Town, in_parallel, upi

# Enough to find every thread of both web processes, and every connection they had open.
MANY = 40


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def founded(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[Town]:
    """A town whose database the tests may stop."""
    directory = tmp_path_factory.mktemp("stoppable")
    with Town(directory, DATABASE_URL=postgres_server.url, REDIS_URL=redis_server.url(1)) as town:
        yield town


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_nothing_hangs_or_is_lost_while_the_database_is_away(
    town: Town,
    merchant: Merchant,
    letterbox: Letterbox,
    postgres_server: PostgresServer,
    stop_signal: signal.Signals,
) -> None:
    order = merchant.order()
    complaints = town.worker.said().count("database: ")
    pids = (town.worker.pid, town.web.children())
    with Shoppers(merchant, merchant.orders(300)) as shoppers:
        wait_until(lambda: len(shoppers.receipts) >= 60, 10, "some payments, the last of them pending")
        postgres_server.process.stop_signal = stop_signal
        postgres_server.process.stop()
        try:
            wait_until(lambda: shoppers.refusals, 5, "a refusal")
            assert_all_say_so(town, merchant, order)
            wait_until(lambda: town.worker.said().count("database: ") > complaints, 5, "a worker who noticed")
        finally:
            postgres_server.start()
        wait_until(lambda: town.says("healthy"), 10, "a healthy gateway")
        told = len(shoppers.receipts)
        wait_until(lambda: len(shoppers.receipts) > told, 5, "payments taken again")
    for refusal in shoppers.refusals:
        assert_unavailable(refusal.status, refusal.json(), refusal.headers)
    assert shoppers.slowest_s < 5
    shoppers.ask_again()
    assert shoppers.unanswered == []
    assert {row["id"] for row in merchant.rows("payments")} == shoppers.payment_ids
    wait_until(lambda: merchant.count("payments", "status <> 'success'") == 0, 20, "all payments settled")
    wait_until(merchant.is_told_everything, 20, "all webhooks delivered")
    assert {letter.json["data"]["payment"]["id"] for letter in letterbox.letters} == shoppers.payment_ids
    assert town.complaints() == {}
    assert (town.worker.pid, town.web.children()) == pids
    assert town.worker.is_running


def test_a_restart_between_two_payments_is_not_noticed(
    town: Town, merchant: Merchant, postgres_server: PostgresServer
) -> None:
    orders = iter(merchant.orders(2 * MANY))
    in_parallel(lambda: merchant.pay(next(orders)), MANY)
    postgres_server.process.stop()
    postgres_server.start()
    in_parallel(lambda: merchant.pay(next(orders)), MANY)
    wait_until(
        lambda: merchant.count("payments", "status = 'success'") == 2 * MANY, 10, "all payments settled"
    )
    wait_until(merchant.is_told_everything, 20, "all webhooks delivered")
    assert town.complaints() == {}


def assert_all_say_so(town: Town, merchant: Merchant, order: dict[str, Any]) -> None:
    status, said = town.health()
    assert (status, said["status"], said["database"]) == (503, "unhealthy", "disconnected")
    assert town.get("/health/ready").status == 503
    assert town.get("/health/live").status == 200
    started = time.monotonic()
    answers = in_parallel(lambda: merchant.ask("POST", "/payments", upi(order), Idempotency_Key="k"), MANY)
    answers += in_parallel(lambda: merchant.ask("POST", "/orders", {"amount": 50000}), MANY)
    answers += in_parallel(lambda: merchant.ask("GET", f"/orders/{order['id']}"), MANY)
    answers.append(town.get(f"/api/v1/orders/{order['id']}/public"))
    answers.append(town.get("/api/v1/test/jobs/status"))
    assert time.monotonic() - started < 5
    for answer in answers:
        assert_unavailable(answer.status, answer.json(), answer.headers)


def assert_unavailable(status: int, said: dict[str, Any], headers: Any) -> None:
    assert (status, said["error"]["code"]) == (503, "SERVER_ERROR")
    assert int(headers["Retry-After"]) >= 1
