"""Payments by the hundred: one key, one payment; one delay, not two hundred of them."""

import threading
from collections import Counter

import pytest
from urllib3 import BaseHTTPResponse

from gateway.core.statements import moment
from tests.faults.letterbox import Letterbox
from tests.faults.processes import wait_until
from tests.faults.town import Merchant, in_parallel, upi

CROWD = 200


def test_two_hundred_at_once_with_one_key_make_one_payment(merchant: Merchant, letterbox: Letterbox) -> None:
    body = upi(merchant.order())
    together = threading.Barrier(CROWD)

    def pay() -> BaseHTTPResponse:
        together.wait(timeout=10)
        return merchant.ask("POST", "/payments", body, Idempotency_Key="only once")

    answers = in_parallel(pay, CROWD, threads=CROWD)
    taken = [answer for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status != 201]
    assert len({answer.data for answer in taken}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in taken].count(None) == 1
    for answer in refused:
        assert (answer.status, answer.json()["error"]["code"]) == (409, "IDEMPOTENCY_ERROR")
        assert int(answer.headers["Retry-After"]) >= 1

    payment = taken[0].json()
    (row,) = merchant.rows("payments")
    assert (row["id"], row["order_id"], row["amount"]) == (payment["id"], body["order_id"], 50000)
    assert [key["response"].encode() for key in merchant.rows("idempotency_keys")] == [taken[0].data]
    wait_until(lambda: letterbox.events["order.paid"], 5, "the news that the order is paid")
    wait_until(merchant.is_told_everything, 5, "rows that say so")
    told = ["payment.created", "payment.pending", "payment.success", "order.paid"]
    events = sorted(merchant.rows("events"), key=lambda event: event["sequence"])
    assert [(event["sequence"], event["event"]) for event in events] == list(enumerate(told, 1))
    assert letterbox.events == Counter(told)
    late = merchant.ask("POST", "/payments", body, Idempotency_Key="only once")
    assert (late.status, late.data, late.headers["Idempotent-Replayed"]) == (201, taken[0].data, "true")


@pytest.mark.parametrize(
    ("count", "threads"), [(10, 8), (200, 8), (200, 1)], ids=["a few", "many", "a queue"]
)
def test_a_delay_of_one_second_is_a_second_for_each_of_them(
    merchant: Merchant, count: int, threads: int
) -> None:
    orders = iter(merchant.orders(count))
    payments = in_parallel(lambda: merchant.pay(next(orders)), count, threads)
    assert {payment["status"] for payment in payments} == {"pending"}
    wait_until(lambda: merchant.count("payments", "status = 'success'") == count, 10, "all payments settled")
    taken_s = [
        (moment(row["updated_at"]) - moment(row["created_at"])).total_seconds()
        for row in merchant.rows("payments")
    ]
    assert min(taken_s) >= 1
    # One that the worker overlooks waits for the next sweep, a second later.
    assert max(taken_s) < 1.8
    assert {merchant.get(f"/payments/{payment['id']}")["status"] for payment in payments[:10]} == {"success"}
    assert merchant.count("orders", "status = 'paid'") == count
