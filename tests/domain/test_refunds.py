"""Refunds: reserved, returned, given free again."""

import pytest

from gateway.core.db import session, transaction
from gateway.core.errors import BadRequest, NotFound
from gateway.domain import payments, refunds
from tests.conftest import Office, Person
from tests.scripted import DECLINED, NEVER_HEARD, PAID, SILENCE, ScriptedBank


@pytest.fixture
def paid(merchant: Person, bank: ScriptedBank, office: Office, wait) -> str:
    """A successful payment of 50,000 paise."""
    payment = merchant.pay(merchant.order(50000))
    wait(2)
    office.settle()
    return str(payment["id"])


def give_back(merchant: Person, payment_id: str, amount: int) -> str:
    with transaction():
        return refunds.create(merchant.merchant_id, payment_id, amount, "broken cup").id


def money_of(rows) -> tuple[int, int]:
    (row,) = rows("SELECT refunds_reserved, amount_refunded FROM payments")
    return row["refunds_reserved"], row["amount_refunded"]


def test_a_refund_reserves_at_once_and_is_returned_later(merchant, paid, office, wait, rows) -> None:
    refund_id = give_back(merchant, paid, 20000)
    assert money_of(rows) == (20000, 0)
    wait(4.9)
    assert office.refund() in (0, 1)
    wait(6)
    office.refund()
    assert money_of(rows) == (20000, 20000)
    refund = refunds.get(merchant.merchant_id, refund_id)
    assert (refund.status, refund.processed_at is not None) == ("processed", True)
    assert merchant.payment(paid)["refund_status"] == "partial"


def test_the_exact_remainder_fits_and_one_paisa_more_does_not(merchant, paid, rows) -> None:
    give_back(merchant, paid, 20000)
    with pytest.raises(BadRequest) as refusal:
        give_back(merchant, paid, 30001)
    assert refusal.value.reason == "insufficient_refund_amount"
    give_back(merchant, paid, 30000)
    assert money_of(rows) == (50000, 0)
    with pytest.raises(BadRequest):
        give_back(merchant, paid, 1)


def test_a_refused_refund_gives_exactly_its_amount_free(merchant, paid, bank, office, wait, rows) -> None:
    give_back(merchant, paid, 20000)
    refused = give_back(merchant, paid, 30000)
    bank.will_say(DECLINED)
    wait(10)
    with transaction():
        (first, second) = sorted(refunds.claim(10), key=lambda claim: claim.id != refused)
        refunds.settle([(first, DECLINED), (second, PAID)])
    assert money_of(rows) == (20000, 20000)
    events = [row["event"] for row in rows("SELECT event FROM events ORDER BY position")]
    assert sorted(events[-2:]) == ["refund.failed", "refund.processed"]
    give_back(merchant, paid, 30000)


def test_several_refunds_of_one_payment_in_one_batch_add_up(merchant, paid, office, wait, rows) -> None:
    for amount in (1, 20000, 29999):
        give_back(merchant, paid, amount)
    wait(10)
    office.refund()
    assert money_of(rows) == (50000, 50000)
    assert merchant.payment(paid)["refund_status"] == "full"


def test_only_ones_own_successful_payment_can_be_refunded(merchant, rival, paid) -> None:
    with pytest.raises(NotFound):
        give_back(rival, paid, 100)
    pending = merchant.pay()["id"]
    with pytest.raises(BadRequest):
        give_back(merchant, pending, 100)
    for nonsense in ("pay_0000000000000000", "x", ""):
        with pytest.raises(NotFound):
            give_back(merchant, nonsense, 100)


def test_a_unit_of_work_with_a_session_refunds_and_settles_as_well(merchant, paid, bank, wait, rows) -> None:
    with transaction():
        payments.capture(merchant.merchant_id, "test", paid, None)
        refunds.create(merchant.merchant_id, paid, 20000, None)
        with pytest.raises(BadRequest, match="exceeds"):
            refunds.create(merchant.merchant_id, paid, 30001, None)
    assert money_of(rows) == (20000, 0)
    wait(10)
    with transaction():
        session()
        refunds.settle([(claim, PAID) for claim in refunds.claim(10)])
    assert money_of(rows) == (20000, 20000)
    balances = {row["account"]: row["balance"] for row in rows("SELECT * FROM ledger_balances")}
    assert (balances["merchant_balance"], balances["refunds_paid"]) == (30000, 20000)


def test_of_two_answers_in_one_batch_the_first_counts(merchant, paid, wait, rows) -> None:
    give_back(merchant, paid, 100)
    wait(10)
    with transaction():
        (claim,) = refunds.claim(10)
    with transaction():
        refunds.settle([(claim, SILENCE), (claim, DECLINED), (claim, PAID)])
    (refund,) = rows("SELECT status, due_at FROM refunds")
    assert (refund["status"], refund["due_at"]) == ("failed", None)
    assert money_of(rows) == (0, 0)


def test_a_silent_bank_is_asked_again_before_it_is_told_again(merchant, paid, bank, office, wait) -> None:
    refund_id = give_back(merchant, paid, 100)
    bank.asked.clear()
    bank.will_say(SILENCE, NEVER_HEARD, PAID)
    wait(10)
    office.refund()
    wait(13)
    office.refund()
    assert bank.asked == [("refund", refund_id), ("inquire", refund_id), ("refund", refund_id)]
    assert refunds.get(merchant.merchant_id, refund_id).status == "processed"


def test_the_sandbox_refuses_a_refund_only_when_asked(merchant: Person, office: Office, wait, rows) -> None:
    payment = merchant.pay(vpa="norefund@sandbox")
    wait(2)
    office.settle()
    give_back(merchant, payment["id"], 100)
    wait(10)
    office.refund()
    (refund,) = rows("SELECT status, error_description FROM refunds")
    assert (refund["status"], refund["error_description"]) == ("failed", "Refund was refused by the bank")
    assert money_of(rows) == (0, 0)


def test_its_events_carry_refund_and_payment(merchant, paid, office, wait, rows) -> None:
    import json

    refund_id = give_back(merchant, paid, 100)
    data = json.loads(rows("SELECT data FROM events WHERE event = 'refund.created'")[0]["data"])
    assert (data["refund"]["id"], data["payment"]["id"]) == (refund_id, paid)
    assert data["refund"]["reason"] == "broken cup"
