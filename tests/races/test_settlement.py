"""Several workers that settle payments and refunds at the same moment."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from gateway.core.db import reading, session, transaction
from gateway.core.processor import Answer
from gateway.domain import payments, refunds
from gateway.models import Payment
from gateway.models.base import seconds_from_now
from tests.races.crowd import Crowd
from tests.scripted import DECLINED, PAID

ROUNDS = 20

Rows = Callable[..., list[dict]]


def claim(limit: int) -> list[payments.Claim]:
    with transaction():
        return payments.claim(limit)


def tell(results: list[tuple[payments.Claim, Answer]]) -> None:
    with transaction():
        payments.settle(results)


def tell_about_refunds(results: list[tuple[refunds.Claim, Answer]]) -> None:
    with transaction():
        refunds.settle(results)


def answer_to(claim: payments.Claim) -> Answer:
    """What the bank says; the same whoever asks."""
    return DECLINED if claim.id.endswith(tuple("0123abcd")) else PAID


def settle_what_is_due(batch: int) -> list[str]:
    """Like a worker; returns what it had claimed."""
    claimed = []
    while claims := claim(batch):
        assert len(claims) <= batch
        claimed += [each.id for each in claims]
        tell([(each, answer_to(each)) for each in claims])
    return claimed


def settle_and_falter(batch: int, luck: int) -> None:
    """Like a worker that is often too slow, so that its payments are given to another one."""
    chance = random.Random(luck)
    while count_pending():
        claims = claim(batch)
        if claims and chance.random() < 0.5:
            with transaction():
                is_mine = Payment.lease_token == claims[0].token
                session().execute(update(Payment).where(is_mine).values(lease_until=seconds_from_now(-1)))
            time.sleep(chance.random() / 10)
        tell([(each, answer_to(each)) for each in claims])


def count_pending() -> int:
    with reading():
        return session().scalar(select(func.count()).where(Payment.status == "pending")) or 0


def tell_again_and_again(results: list[tuple[payments.Claim, Answer]], times: int) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(tell, [results] * times))


def assert_settled_once(rows: Rows) -> None:
    """Each payment has one set of events and each order at most one winner; the others are refunded."""
    told = Counter((row["payment_id"], row["event"]) for row in rows("SELECT * FROM events"))
    assert set(told.values()) == {1}
    won_by = {row["paid_payment_id"] for row in rows("SELECT * FROM orders")} - {None}
    refunded = {row["payment_id"]: row["amount"] for row in rows("SELECT * FROM refunds")}
    expected = Counter()
    for payment in rows("SELECT * FROM payments"):
        names = ["payment.created", "payment.pending", f"payment.{payment['status']}"]
        if payment["id"] in won_by:
            names += ["order.paid"]
        elif payment["status"] == "success":
            names += ["refund.created"]
            assert refunded.pop(payment["id"]) == payment["amount"]
        expected.update((payment["id"], name) for name in names)
    assert told == expected
    assert refunded == {}
    refund_rows = rows("SELECT * FROM refunds")
    assert {row["reason"] for row in refund_rows} <= {refunds.DUPLICATE_REASON}


@pytest.mark.parametrize("batch", [1, 10])
def test_four_workers_settle_three_hundred_payments_once(crowd: Crowd, pay, audit, rows, batch: int) -> None:
    ids = [payment_id for _ in range(100) for payment_id in pay(payers=3)]
    claimed = crowd.all_do(settle_what_is_due, batch, members=4)
    assert sorted(payment_id for own in claimed for payment_id in own) == sorted(ids)
    found = {row["id"]: row["status"] for row in rows("SELECT * FROM payments")}
    assert Counter(found.values()).keys() == {"success", "failed"}
    assert_settled_once(rows)
    audit()


def test_workers_that_lose_their_leases_settle_nothing_twice(crowd: Crowd, pay, audit, rows: Rows) -> None:
    for _ in range(40):
        pay(payers=3)
    crowd.do(*[(settle_and_falter, 7, luck) for luck in range(4)])
    assert count_pending() == 0
    assert any(row["attempts"] > 1 for row in rows("SELECT * FROM payments"))
    assert_settled_once(rows)
    audit()


def test_a_success_told_by_everybody_is_one_transition(crowd: Crowd, pay, audit, rows: Rows) -> None:
    for _ in range(3):
        pay(payers=2)
        results = [(each, PAID) for each in claim(10)]
        crowd.all_do(tell_again_and_again, results, 7)
    assert {row["status"] for row in rows("SELECT * FROM payments")} == {"success"}
    assert_settled_once(rows)
    audit()


def test_of_two_contrary_answers_one_counts(crowd: Crowd, pay, audit, rows: Rows) -> None:
    for _ in range(ROUNDS):
        pay()
        (each,) = claim(10)
        crowd.do(*[(tell, [(each, answer)]) for answer in (PAID, DECLINED) * 4])
    assert {row["status"] for row in rows("SELECT * FROM payments")} <= {"success", "failed"}
    assert_settled_once(rows)
    audit()


def test_an_order_paid_twice_at_the_same_moment_is_won_once(crowd: Crowd, pay, audit, rows: Rows) -> None:
    for _ in range(ROUNDS):
        pay(payers=2)
        crowd.do(*[(tell, [(each, PAID)]) for each in (*claim(1), *claim(1))])
    assert {row["status"] for row in rows("SELECT * FROM payments")} == {"success"}
    assert {row["status"] for row in rows("SELECT * FROM orders")} == {"paid"}
    assert len(rows("SELECT * FROM refunds")) == ROUNDS
    assert_settled_once(rows)
    audit()


def test_workers_with_payments_of_the_same_orders_do_not_wait_for_each_other(
    crowd: Crowd, pay, audit, rows: Rows
) -> None:
    """Each has leases of several claims in one batch, and the orders in another order than the other one."""
    for _ in range(ROUNDS):
        pairs = [pay(payers=2) for _ in range(2)]
        claims = {each.id: each for _ in range(4) for each in claim(1)}
        (a, b), (c, d) = ([(claims[payment_id], PAID) for payment_id in pair] for pair in pairs)
        crowd.do((tell, [a, c]), (tell, [d, b]))
    assert_settled_once(rows)
    audit()


def test_workers_with_refunds_of_the_same_payments_do_not_wait_for_each_other(
    crowd: Crowd, merchant_id: str, paid, audit, rows: Rows
) -> None:
    """Each hears of one refund that was returned and of one that was refused."""
    for _ in range(ROUNDS):
        first, second = paid(50000), paid(50000)
        for payment_id in (first, second):
            for _ in range(2):
                with transaction():
                    refunds.create(merchant_id, payment_id, 100, None)
        with transaction():
            claims = refunds.claim(10)
        (a, b), (c, d) = (
            [each for each in claims if each.asked.charge_reference == payment_id]
            for payment_id in (first, second)
        )
        crowd.do(
            (tell_about_refunds, [(a, PAID), (c, DECLINED)]), (tell_about_refunds, [(d, PAID), (b, DECLINED)])
        )
    assert Counter(row["status"] for row in rows("SELECT * FROM refunds")) == {
        "processed": 2 * ROUNDS,
        "failed": 2 * ROUNDS,
    }
    audit()
