"""Money that cannot be raced: real processes on a real database, all at the same moment."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from gateway.core import clock
from gateway.core.db import later, reading, session, transaction
from gateway.core.statements import Statement
from gateway.domain import endpoints, events, payments, verification, wire
from gateway.models import Payment
from tests.conftest import Office, Person
from tests.races import crowd
from tests.races.crowd import PROCESSES, Crowd

ROUNDS = 20
_HURRY = Statement("UPDATE payments SET due_at = :now WHERE due_at IS NOT NULL")


@pytest.fixture(scope="module")
def rivals(engine_settings: dict[str, str], prepared: object) -> Iterator[Crowd]:
    """Four processes with the database open."""
    with Crowd(engine_settings) as gathered:
        yield gathered


def hurry() -> None:
    """The bank has had its time; no clock is moved, because the others have clocks of their own."""
    with transaction():
        later(_HURRY, now=clock.now())


@pytest.fixture
def pay(merchant: Person, office: Office):
    """Makes a successful payment of so much; gives its id."""

    def paid(amount: int) -> str:
        payment_id = str(merchant.pay(merchant.order(amount))["id"])
        hurry()
        office.settle()
        return payment_id

    return paid


@pytest.fixture(autouse=True)
def sound_books(config: object) -> Iterator[None]:
    """After every race the books agree."""
    yield
    with reading():
        assert verification.complaints() == {}


def test_of_fifty_full_refunds_at_once_one_is_accepted(rivals: Crowd, merchant: Person, pay, rows) -> None:
    for _ in range(ROUNDS):
        payment_id = pay(50000)
        answers = Counter(rivals.rush(crowd.ask_refund, [(merchant.merchant_id, payment_id, 50000)] * 50))
        assert answers["accepted"] == 1, answers
    assert len(rows("SELECT id FROM refunds")) == ROUNDS


def test_splits_that_add_up_all_fit_and_more_never_does(rivals: Crowd, merchant: Person, pay, rows) -> None:
    chance = random.Random(7)
    payment_id = pay(10_000)
    cuts = sorted(chance.sample(range(1, 10_000), 99))
    parts = [after - before for before, after in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    exact = Counter(
        rivals.rush(crowd.ask_refund, [(merchant.merchant_id, payment_id, part) for part in parts])
    )
    assert exact["accepted"] + exact["busy"] == 100
    assert crowd.ask_refund(merchant.merchant_id, payment_id, 1) == (
        "accepted" if exact["busy"] else "refused"
    )
    greedy = pay(10_000)
    asked = [(merchant.merchant_id, greedy, chance.randint(1, 900)) for _ in range(100)]
    rivals.rush(crowd.ask_refund, asked)
    (held,) = rows("SELECT SUM(amount) AS held FROM refunds WHERE payment_id = :id", id=greedy)
    assert int(held["held"]) <= 10_000


def test_a_capture_and_a_full_refund_never_both_win(rivals: Crowd, merchant: Person, pay) -> None:
    for _ in range(ROUNDS):
        payment_id = pay(500)
        errands = [(merchant.merchant_id, payment_id, 500, captures) for captures in (True, False) * 4]
        results = rivals.rush(crowd.capture_or_refund, errands)
        won = Counter(captures for captures, answer in results if answer == "accepted")
        # A capture may come first and the refund after it; never a capture of what is all refunded.
        assert won[False] == 1
        assert merchant.payment(payment_id)["captured"] is bool(won[True])


def test_four_workers_settle_each_payment_once(rivals: Crowd, merchant: Person, rows) -> None:
    for _ in range(300):
        merchant.pay()
    hurry()
    counts = rivals.rush(crowd.settle_all, [(True,)] * PROCESSES)
    assert sum(counts) == 300
    kinds = Counter(row["event"] for row in rows("SELECT event FROM events"))
    assert kinds["payment.success"] == kinds["order.paid"] == 300


def test_a_success_told_fifty_times_at_once_is_one_transition(rivals: Crowd, merchant: Person, rows) -> None:
    merchant.pay()
    hurry()
    with transaction():
        (claim,) = payments.claim(1)
    rivals.rush(crowd.tell, [(claim,)] * 50)
    kinds = Counter(row["event"] for row in rows("SELECT event FROM events"))
    assert (kinds["payment.success"], kinds["order.paid"]) == (1, 1)


def test_two_successes_of_one_order_leave_one_winner(rivals: Crowd, merchant: Person, rows) -> None:
    for _ in range(ROUNDS):
        order = merchant.order(700)
        pair = [merchant.pay(order)["id"], merchant.pay(order)["id"]]
        hurry()
        with transaction():
            claims = payments.claim(2)
        assert sorted(claim.id for claim in claims) == sorted(pair)
        with transaction():
            session().execute(update(Payment).values(lease_token=None, lease_until=None))
        assert sum(rivals.rush(crowd.settle_all, [(False,)] * PROCESSES)) == 2
        refunded = rows("SELECT payment_id FROM refunds WHERE payment_id IN (:a, :b)", a=pair[0], b=pair[1])
        (won,) = rows("SELECT paid_payment_id FROM orders WHERE id = :id", id=order["id"])
        assert {won["paid_payment_id"], refunded[0]["payment_id"]} == set(pair)
        assert len(refunded) == 1


def test_four_workers_number_events_without_gap_or_twin(
    rivals: Crowd, merchant: Person, rival: Person, rows
) -> None:
    with transaction():
        endpoints.configure(merchant.merchant_id, "race", "http://shop.example/")
    with transaction():
        for number in range(1000):
            person = merchant if number % 3 else rival
            events.emit(person.merchant_id, "payment.created", wire.sample_payment())
    assert sum(rivals.rush(crowd.hand_out_all, [()] * PROCESSES)) == 1000
    for person, count in ((merchant, 666), (rival, 334)):
        found = rows(
            "SELECT sequence FROM events WHERE merchant_id = :id ORDER BY position", id=person.merchant_id
        )
        assert [row["sequence"] for row in found] == list(range(1, count + 1))
    assert (
        len(rows("SELECT DISTINCT event_id FROM webhook_logs"))
        == len(rows("SELECT id FROM webhook_logs"))
        == 666
    )


def test_four_workers_send_each_delivery_once(rivals: Crowd, merchant: Person, rows) -> None:
    with transaction():
        endpoints.configure(merchant.merchant_id, "race", "http://shop.example/")
    with transaction():
        for _ in range(200):
            events.emit(merchant.merchant_id, "payment.created", wire.sample_payment())
    with transaction():
        events.fan_out()
    sent = [
        each for share in rivals.rush(crowd.deliver_all, [(n,) for n in range(PROCESSES)]) for each in share
    ]
    assert len(sent) == len(set(sent)) == 200
    assert {row["status"] for row in rows("SELECT status FROM webhook_logs")} == {"success"}
