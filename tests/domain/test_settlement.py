"""From the bank's answer to the payment's end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.core import config as settings
from gateway.core import db, statements
from gateway.core.db import session, transaction
from gateway.core.processor import Answer
from gateway.domain import payments, refunds, work
from gateway.models import Payment
from gateway.models.base import seconds_from_now
from tests.conftest import Office, Person
from tests.scripted import DECLINED, NEVER_HEARD, PAID, SILENCE, UNDECIDED, ScriptedBank


def kinds(rows) -> list[str]:
    return [row["event"] for row in rows("SELECT event FROM events ORDER BY position")]


def lose_leases() -> None:
    """As if the worker had been killed and its time were over."""
    with transaction():
        session().execute(update(Payment).values(lease_until=seconds_from_now(-1)))


def settle(claims: list[payments.Claim], answer: Answer = PAID) -> None:
    with transaction():
        payments.settle([(claim, answer) for claim in claims])


def claim(limit: int = 100) -> list[payments.Claim]:
    with transaction():
        return payments.claim(limit)


def test_a_success_wins_its_order_and_tells_everybody(
    merchant: Person, bank: ScriptedBank, office, wait, rows
) -> None:
    payment = merchant.pay()
    wait(2)
    office.settle()
    assert bank.asked == [("charge", payment["id"])]
    (order,) = rows("SELECT * FROM orders")
    assert (order["status"], order["paid_payment_id"]) == ("paid", payment["id"])
    assert kinds(rows) == ["payment.created", "payment.pending", "payment.success", "order.paid"]


def test_a_failure_leaves_the_order_open(merchant: Person, bank: ScriptedBank, office, wait, rows) -> None:
    order = merchant.order()
    merchant.pay(order)
    wait(2)
    bank.will_say(DECLINED)
    office.settle()
    assert kinds(rows)[2:] == ["payment.failed"]
    merchant.pay(order)
    wait(4)
    office.settle()
    assert merchant.get(f"/orders/{order['id']}").json["status"] == "paid"


def test_one_success_told_many_times_is_one_transition(
    merchant: Person, bank: ScriptedBank, wait, rows
) -> None:
    merchant.pay()
    wait(2)
    claims = claim()
    for _ in range(50):
        settle(claims)
    settle(claims, DECLINED)
    assert kinds(rows).count("payment.success") == 1
    assert "payment.failed" not in kinds(rows)


def test_what_is_claimed_is_nobody_elses(merchant: Person, wait) -> None:
    merchant.pay()
    merchant.pay()
    wait(2)
    first, second = claim(1), claim(5)
    assert len(first) == len(second) == 1
    assert first[0].id != second[0].id
    assert claim(5) == []


def test_the_answer_of_a_lost_lease_is_dropped(merchant: Person, bank: ScriptedBank, wait, rows) -> None:
    payment = merchant.pay()
    wait(2)
    killed = claim()
    lose_leases()
    restarted = claim()
    assert restarted[0].attempt == 2
    settle(killed, DECLINED)
    assert merchant.payment(payment["id"])["status"] == "pending"
    settle(restarted)
    assert merchant.payment(payment["id"])["status"] == "success"


def test_a_second_attempt_asks_before_it_charges(merchant: Person, bank: ScriptedBank, office, wait) -> None:
    payment = merchant.pay()
    wait(2)
    claim()
    lose_leases()
    bank.will_say(PAID)
    office.settle()
    assert bank.asked == [("inquire", payment["id"])]


def test_a_charge_that_never_arrived_is_sent_again(
    merchant: Person, bank: ScriptedBank, office, wait
) -> None:
    payment = merchant.pay()
    wait(2)
    claim()
    lose_leases()
    bank.will_say(NEVER_HEARD, PAID)
    office.settle()
    assert bank.asked == [("inquire", payment["id"]), ("charge", payment["id"])]


def test_silence_is_asked_about_until_there_is_an_answer(
    merchant: Person, bank: ScriptedBank, office, wait
) -> None:
    payment = merchant.pay()
    wait(2)
    bank.will_say(SILENCE, UNDECIDED, PAID)
    office.settle()
    assert merchant.payment(payment["id"])["status"] == "pending"
    wait(1.9)
    assert office.settle() == 0
    wait(0.2)
    assert office.settle() == 1
    wait(5.1)
    assert office.settle() == 1
    assert merchant.payment(payment["id"])["status"] == "success"
    assert [call for call, _ in bank.asked] == ["charge", "inquire", "inquire"]


def test_silence_without_end_is_left_to_a_human(
    merchant: Person, bank: ScriptedBank, office, wait, rows
) -> None:
    payment = merchant.pay()
    tries = len(work.INQUIRY_WAITS_S) + 1
    bank.will_say(*[SILENCE] * tries)
    for seconds in (2, *work.INQUIRY_WAITS_S):
        wait(seconds + 0.1)
        assert office.settle() == 1
    wait(timedelta(days=30).total_seconds())
    assert office.settle() == 0
    (row,) = rows("SELECT status, due_at, flagged FROM payments")
    assert (row["status"], row["due_at"]) == ("pending", None)
    assert row["flagged"] == f"No final answer from the bank after {tries} tries"
    assert merchant.payment(payment["id"])["error_description"] is None


def test_the_sandbox_really_times_out_and_recovers(merchant: Person, office: Office, wait, rows) -> None:
    outcomes = {}
    for name in ("success", "declined", "timeout", "pending", "silent"):
        outcomes[merchant.pay(vpa=f"{name}@sandbox")["id"]] = name
    for seconds in (2, *work.INQUIRY_WAITS_S):
        wait(seconds + 0.1)
        office.settle()
    seen = {name: merchant.payment(payment_id)["status"] for payment_id, name in outcomes.items()}
    assert seen == {
        "success": "success",
        "declined": "failed",
        "timeout": "success",
        "pending": "success",
        "silent": "pending",
    }
    assert len(rows("SELECT id FROM payments WHERE flagged IS NOT NULL")) == 1


def test_a_paid_order_is_refused_unless_payments_may_repeat(
    merchant: Person, config, office, wait, monkeypatch
) -> None:
    from dataclasses import replace

    order = merchant.order()
    merchant.pay(order)
    wait(2)
    office.settle()
    merchant.pay(order)
    settings.use(replace(config, repeat_payments=False))
    answer = merchant.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "a@b"})
    assert (answer.status_code, answer.json["error"]["description"]) == (400, "Order is already paid")


def test_a_second_success_is_refunded_by_the_gateway(
    merchant: Person, config, office: Office, wait, rows
) -> None:
    from dataclasses import replace

    settings.use(replace(config, repeat_payments=False))
    order = merchant.order(50000)
    both = [merchant.pay(order)["id"], merchant.pay(order)["id"]]
    wait(2)
    office.settle()
    (row,) = rows("SELECT * FROM orders")
    loser = (set(both) - {row["paid_payment_id"]}).pop()
    (refund,) = rows("SELECT * FROM refunds")
    assert (refund["payment_id"], refund["amount"], refund["status"]) == (loser, 50000, "pending")
    assert refund["reason"] == "duplicate payment of a paid order"
    assert kinds(rows).count("order.paid") == 1
    wait(8)
    office.refund()
    assert merchant.payment(loser)["refund_status"] == "full"
    assert kinds(rows)[-2:] == ["refund.created", "refund.processed"]


def test_of_successes_in_one_batch_the_first_wins_and_its_own_lease_decides(
    merchant: Person, config, wait, rows
) -> None:
    from dataclasses import replace

    settings.use(replace(config, repeat_payments=False))
    order = merchant.order()
    for _ in range(3):
        merchant.pay(order)
    wait(2)
    lost = claim()
    lose_leases()
    first, second, third = claim()
    with transaction():
        payments.settle(
            [(each, DECLINED) for each in lost]
            + [(third, DECLINED), (second, PAID), (third, PAID), (first, PAID)]
        )
    (row,) = rows("SELECT * FROM orders")
    assert (row["status"], row["paid_payment_id"]) == ("paid", second.id)
    assert [row["payment_id"] for row in rows("SELECT * FROM refunds")] == [first.id]
    found = {row["id"]: row["status"] for row in rows("SELECT * FROM payments")}
    assert found == {first.id: "success", second.id: "success", third.id: "failed"}
    assert kinds(rows)[6:] == [
        "payment.success",
        "order.paid",
        "payment.success",
        "refund.created",
        "payment.failed",
    ]


def test_a_late_success_of_a_paid_order_is_refunded_too(
    merchant: Person, config, office, bank, wait, rows
) -> None:
    from dataclasses import replace

    settings.use(replace(config, repeat_payments=False))
    order = merchant.order()
    late = merchant.pay(order)["id"]
    bank.will_say(SILENCE)
    wait(2)
    office.settle()
    settings.use(config)
    merchant.pay(order)
    settings.use(replace(config, repeat_payments=False))
    with transaction():
        session().execute(update(Payment).where(Payment.id == late).values(due_at=None))
    wait(10)
    office.settle()
    with transaction():
        from gateway.core import clock

        session().execute(update(Payment).where(Payment.id == late).values(due_at=clock.now()))
    office.settle()
    assert [row["payment_id"] for row in rows("SELECT payment_id FROM refunds")] == [late]


def test_repeated_payments_of_one_order_all_stand_where_allowed(
    merchant: Person, office: Office, wait, rows
) -> None:
    order = merchant.order()
    for _ in range(3):
        merchant.pay(order)
    wait(2)
    office.settle()
    assert {row["status"] for row in rows("SELECT status FROM payments")} == {"success"}
    assert rows("SELECT * FROM refunds") == []
    assert kinds(rows).count("order.paid") == 1


def test_a_batch_costs_three_messages_of_the_same_statements_whatever_its_size(
    merchant: Person, wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.is_sqlite():
        pytest.skip("SQLite is asked in the process, one value at a time")
    run, sent = statements.run_postgresql, list[int]()

    def note_and_run(connection: Any, calls: Any, **frame: Any) -> Any:
        sent.append(len(statements._in_batches(calls)))
        return run(connection, calls, **frame)

    def sent_by(verb: Callable[[Any], None], results: Any) -> list[int]:
        sent.clear()
        with monkeypatch.context() as patch:
            patch.setattr(statements, "run_postgresql", note_and_run)
            with transaction():
                verb(results)
        return sent

    for size in (1, 7):
        for _ in range(size):
            merchant.pay()
        wait(2)
        paid = claim()
        # At the end: transfers, events, two balances.
        assert sent_by(payments.settle, [(each, PAID) for each in paid]) == [1, 1, 4]
        for each in paid:
            with transaction():
                refunds.create(merchant.merchant_id, each.id, 100, None)
        wait(10)
        with transaction():
            returned = refunds.claim(10)
        assert len(returned) == size
        assert sent_by(refunds.settle, [(each, PAID) for each in returned]) == [1, 1, 4]


def test_ten_payments_fall_due_together_and_settle_in_one_batch(merchant: Person, wait) -> None:
    for _ in range(10):
        merchant.pay()
    wait(1.1)
    assert len({each.token for each in claim()}) == 1
