"""Redis flushed, frozen and stopped: payments are taken and settle all the same."""

import signal

from tests.faults.conftest import only_with_redis
from tests.faults.letterbox import Letterbox
from tests.faults.processes import wait_until
from tests.faults.servers import RedisServer
from tests.faults.shoppers import Shoppers
from tests.faults.town import Merchant, Town

pytestmark = only_with_redis


def assert_all_settles(merchant: Merchant, shoppers: Shoppers) -> None:
    """Everybody was answered at once, and every payment settles and is told of."""
    assert (shoppers.unanswered, shoppers.refusals) == ([], [])
    assert shoppers.slowest_s < 1
    assert {row["id"] for row in merchant.rows("payments")} == shoppers.payment_ids
    wait_until(lambda: merchant.count("payments", "status <> 'success'") == 0, 5, "all payments settled")
    wait_until(merchant.is_told_everything, 20, "all webhooks delivered")
    assert merchant.town.complaints() == {}


def test_flushing_redis_changes_nothing(merchant: Merchant, redis_server: RedisServer) -> None:
    with Shoppers(merchant, merchant.orders(150)) as shoppers:
        for paid in (20, 60, 100, 150):
            wait_until(lambda paid=paid: len(shoppers.receipts) >= paid, 10, f"{paid} payments")
            redis_server.flush()
    assert_all_settles(merchant, shoppers)


def test_payments_go_on_while_redis_is_frozen_and_then_gone(
    town: Town, merchant: Merchant, letterbox: Letterbox, redis_server: RedisServer
) -> None:
    with Shoppers(merchant, merchant.orders(600)) as shoppers:
        wait_until(lambda: len(shoppers.receipts) >= 20, 10, "some payments")
        try:
            redis_server.process.send(signal.SIGSTOP)
            assert_degraded(town)
            first = next(iter(shoppers.receipts.values()))["id"]
            wait_until(
                lambda: merchant.get(f"/payments/{first}")["status"] == "success", 4, "a settled payment"
            )
            redis_server.process.kill()
            assert_degraded(town)
            told = len(shoppers.receipts)
            wait_until(lambda: len(shoppers.receipts) >= told + 50, 5, "more payments")
            assert_degraded(town)
        finally:
            redis_server.process.kill()
            redis_server.start()
        wait_until(lambda: town.says("healthy"), 5, "a gateway that has found Redis again")
    assert_all_settles(merchant, shoppers)
    assert town.worker.is_running and town.web.is_running


def assert_degraded(town: Town) -> None:
    status, said = town.health()
    assert (status, said["status"], said["redis"]) == (200, "degraded", "disconnected")
    assert (said["database"], said["worker"]) == ("connected", "running")
