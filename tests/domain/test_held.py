"""Payments and refunds that are settled in the very transaction that took them up."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway import adapters
from gateway.core import config as settings
from gateway.core import db
from gateway.core.db import transaction
from gateway.core.processor import Answer
from gateway.domain import payments, refunds, work
from tests.conftest import Office, Person
from tests.domain.test_settlement import kinds, lose_leases
from tests.scripted import DECLINED, PAID, SILENCE, UNDECIDED, ScriptedBank

Rows = Callable[..., list[dict[str, Any]]]
Wait = Callable[[float], None]


@pytest.fixture
def bank(config: Any) -> ScriptedBank:
    scripted = ScriptedBank(is_quick=True)
    adapters.use_acquirer(scripted)
    return scripted


def settle(*answers: Answer) -> list[payments.Claim]:
    with transaction():
        held = payments.hold(len(answers))
        payments.settle(list(zip(held, answers, strict=True)))
    return held


def test_a_success_is_written_as_a_leased_one_would_be(merchant: Person, wait: Wait, rows: Rows) -> None:
    merchant.pay()
    merchant.pay()
    wait(2)
    settle(PAID)
    with transaction():
        payments.settle([(claim, PAID) for claim in payments.claim(1)])
    held, leased = rows("SELECT * FROM payments ORDER BY due_at, created_at")
    own = {"id", "order_id", "created_at", "updated_at"}
    assert {name: held[name] for name in held.keys() - own} == {
        name: leased[name] for name in leased.keys() - own
    }
    assert (held["status"], held["attempts"], held["lease_token"]) == ("success", 1, None)
    assert {row["status"] for row in rows("SELECT status FROM orders")} == {"paid"}
    told = rows("SELECT data FROM events WHERE event = 'payment.success'")
    assert all('"status":"success"' in row["data"] for row in told)


def test_a_refusal_says_why(merchant: Person, wait: Wait) -> None:
    payment = merchant.pay()
    wait(2)
    settle(DECLINED)
    found = merchant.payment(payment["id"])
    assert (found["status"], found["error_code"]) == ("failed", "PAYMENT_FAILED")
    assert found["error_description"] == "Payment was declined by the bank"


def test_an_answer_told_twice_counts_once(merchant: Person, wait: Wait, rows: Rows) -> None:
    merchant.pay()
    wait(2)
    with transaction():
        (claim,) = payments.hold(5)
        payments.settle([(claim, PAID), (claim, DECLINED)])
        payments.settle([(claim, DECLINED)])
    assert kinds(rows)[2:] == ["payment.success", "order.paid"]


def test_what_a_rolled_back_transaction_held_is_as_it_was(merchant: Person, wait: Wait, rows: Rows) -> None:
    merchant.pay()
    wait(2)
    before = rows("SELECT * FROM payments")
    with pytest.raises(ZeroDivisionError), transaction():
        payments.settle([(claim, PAID) for claim in payments.hold(5)])
        raise ZeroDivisionError
    assert rows("SELECT * FROM payments") == before
    assert kinds(rows) == []
    assert len(settle(PAID)) == 1
    assert kinds(rows) == ["payment.created", "payment.pending", "payment.success", "order.paid"]


def test_what_somebody_has_leased_is_not_held_before_its_time(
    merchant: Person, wait: Wait, rows: Rows
) -> None:
    payment = merchant.pay()
    wait(2)
    with transaction():
        assert len(payments.claim(1)) == 1
    with transaction():
        assert payments.hold(1) == []
    lose_leases()
    (held,) = settle(PAID)
    assert held.attempt == 2
    assert merchant.payment(payment["id"])["status"] == "success"
    assert rows("SELECT attempts, lease_until FROM payments") == [{"attempts": 2, "lease_until": None}]


def test_silence_is_asked_about_and_in_the_end_left_to_a_human(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows
) -> None:
    merchant.pay()
    tries = len(work.INQUIRY_WAITS_S) + 1
    bank.will_say(*[SILENCE, UNDECIDED] * tries)
    for seconds in (2, *work.INQUIRY_WAITS_S):
        wait(seconds + 0.1)
        assert office.settle() == 1
    wait(10**6)
    assert office.settle() == 0
    (row,) = rows("SELECT status, due_at, flagged, attempts FROM payments")
    assert row == {
        "status": "pending",
        "due_at": None,
        "flagged": f"No final answer from the bank after {tries} tries",
        "attempts": tries,
    }
    assert [call for call, _ in bank.asked] == ["charge"] + ["inquire"] * (tries - 1)


def test_a_second_success_is_refunded_in_the_same_transaction(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows, config: Any
) -> None:
    settings.use(replace(config, repeat_payments=False))
    order = merchant.order(50000)
    both = {merchant.pay(order)["id"], merchant.pay(order)["id"]}
    wait(2)
    settle(PAID, PAID)
    (won,) = rows("SELECT paid_payment_id FROM orders")
    (refund,) = rows("SELECT payment_id, status FROM refunds")
    assert {won["paid_payment_id"], refund["payment_id"]} == both
    wait(8)
    office.refund()
    assert merchant.payment(refund["payment_id"])["refund_status"] == "full"
    assert kinds(rows)[-2:] == ["refund.created", "refund.processed"]


def test_a_refund_that_is_refused_is_given_free(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows
) -> None:
    payment = merchant.pay()
    wait(2)
    office.settle()
    with transaction():
        refunds.create(merchant.merchant_id, payment["id"], 100, None)
    wait(10)
    bank.will_say(DECLINED)
    assert office.refund() == 1
    (row,) = rows("SELECT status, attempts, processed_at, error_description FROM refunds")
    assert (row["status"], row["attempts"], row["processed_at"]) == ("failed", 1, None)
    assert row["error_description"] == "Payment was declined by the bank"
    assert rows("SELECT refunds_reserved, amount_refunded FROM payments") == [
        {"refunds_reserved": 0, "amount_refunded": 0}
    ]


def test_two_workers_hold_different_payments(merchant: Person, wait: Wait, rows: Rows) -> None:
    if db.is_sqlite():
        pytest.skip("SQLite has one writer, who holds everything")
    for _ in range(2):
        merchant.pay()
    wait(2)
    holds, others = threading.Event(), list[str]()

    def hold_the_rest() -> None:
        with transaction():
            others.extend(claim.id for claim in payments.hold(5))
        holds.set()

    with transaction():
        (own,) = payments.hold(1)
        threading.Thread(target=hold_the_rest).start()
        assert holds.wait(5)
    assert len(others) == 1
    assert others != [own.id]
