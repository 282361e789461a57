"""kill -9: of the worker with its hands full, of the web processes under load."""

import os
import signal
import time

from gateway.jobs.webhooks import PER_ENDPOINT
from tests.faults.letterbox import Letterbox
from tests.faults.processes import wait_until
from tests.faults.shoppers import Shoppers
from tests.faults.town import Merchant, Town, in_parallel

COUNT = 200
# payment.created, payment.pending, payment.success, order.paid
EVENTS_EACH = 4


def test_a_killed_worker_loses_nothing(town: Town, merchant: Merchant, letterbox: Letterbox) -> None:
    letterbox.hold_s = 2
    orders = iter(merchant.orders(COUNT))
    in_parallel(lambda: merchant.pay(next(orders)), COUNT)
    wait_until(lambda: letterbox.letters, 3, "a worker in the middle of things")
    town.worker.kill()
    killed_at = time.monotonic()
    assert merchant.count("webhook_logs", "status = 'success'") < COUNT
    letterbox.hold_s = 0.03
    town.worker.start()
    wait_until(
        lambda: merchant.count("webhook_logs", "status = 'success'") > COUNT, 10, "a worker at work again"
    )
    town.worker.kill()
    assert merchant.count("webhook_logs", "status = 'success'") < COUNT * EVENTS_EACH
    town.worker.start()

    left_s = killed_at + 30 - time.monotonic()
    total = COUNT * EVENTS_EACH
    wait_until(
        lambda: merchant.count("events") == total and merchant.is_told_everything(), left_s, "all is told"
    )
    assert merchant.count("payments", "status = 'success'") == COUNT
    assert merchant.count("webhook_logs", "status = 'success'") == total
    assert sorted(event["sequence"] for event in merchant.rows("events")) == list(range(1, total + 1))
    assert {letter.sequence for letter in letterbox.letters} == set(range(1, total + 1))
    assert len({letter.body for letter in letterbox.letters}) == total
    assert len(letterbox.letters) <= total + 2 * PER_ENDPOINT
    interrupted = (
        "SELECT count(*) AS n FROM delivery_attempts a JOIN webhook_logs w ON w.id = a.delivery_id"
        " WHERE a.outcome = 'interrupted' AND w.merchant_id = :id"
    )
    assert 0 < town.rows(interrupted, id=merchant.id)[0]["n"] <= 2 * PER_ENDPOINT
    assert town.complaints() == {}


def test_a_worker_killed_at_whatever_it_does_tells_of_each_payment_once_and_in_order(
    town: Town, merchant: Merchant
) -> None:
    """Each of them has written some events, of payments that begin or of such that end."""
    most = COUNT * EVENTS_EACH
    with Shoppers(merchant, merchant.orders(COUNT)) as shoppers:
        for _ in range(5):
            before = min(merchant.count("events"), most - 1)
            wait_until(lambda before=before: merchant.count("events") > before, 10, "a worker at work")
            town.worker.kill()
            town.worker.start()
    total = len(shoppers.receipts) * EVENTS_EACH
    wait_until(lambda: merchant.count("events", "sequence IS NOT NULL") == total, 20, "all events")
    told: dict[str, list[str]] = {}
    for row in sorted(merchant.rows("events"), key=lambda row: row["sequence"]):
        told.setdefault(row["payment_id"], []).append(row["event"])
    assert told.keys() == shoppers.payment_ids
    assert set(map(tuple, told.values())) == {
        ("payment.created", "payment.pending", "payment.success", "order.paid")
    }
    assert town.complaints() == {}


def assert_each_was_paid_once(merchant: Merchant, shoppers: Shoppers) -> None:
    """Each order that a shopper tried to pay has the one payment that they were told of."""
    rows = merchant.rows("payments")
    assert {row["order_id"]: row["id"] for row in rows} == {
        order_id: payment["id"] for order_id, payment in shoppers.receipts.items()
    }
    assert len(rows) == len(shoppers.receipts)
    wait_until(lambda: merchant.count("payments", "status <> 'success'") == 0, 10, "all payments settled")
    wait_until(merchant.is_told_everything, 20, "all webhooks delivered")
    assert merchant.town.complaints() == {}


def test_killed_web_processes_take_no_answered_payment_with_them(
    town: Town, merchant: Merchant, letterbox: Letterbox
) -> None:
    with Shoppers(merchant, merchant.orders(COUNT)) as shoppers:
        wait_until(lambda: len(shoppers.receipts) >= 40, 10, "some payments")
        town.web.kill()
        told = len(shoppers.receipts)
        wait_until(lambda: shoppers.unanswered, 5, "shoppers who found the door closed")
    assert shoppers.refusals == []
    town.mend()
    assert shoppers.ask_again() > 0
    assert (shoppers.unanswered, shoppers.refusals) == ([], [])
    assert len(shoppers.receipts) > told
    assert_each_was_paid_once(merchant, shoppers)
    assert {letter.json["data"]["payment"]["id"] for letter in letterbox.letters} == shoppers.payment_ids


def test_one_killed_web_process_is_replaced_while_shoppers_go_on(town: Town, merchant: Merchant) -> None:
    before = town.web.children()
    with Shoppers(merchant, merchant.orders(COUNT)) as shoppers:
        wait_until(lambda: len(shoppers.receipts) >= 20, 10, "some payments")
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: town.web.children() - before, 10, "a new web process")
        told = len(shoppers.receipts)
        wait_until(lambda: len(shoppers.receipts) >= min(told + 20, COUNT), 10, "more payments")
    shoppers.ask_again()
    assert (shoppers.unanswered, shoppers.refusals) == ([], [])
    assert_each_was_paid_once(merchant, shoppers)
