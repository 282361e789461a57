"""Refunds of one payment, asked for at the same moment over HTTP."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from tests.races.crowd import Clerk, at_once

ROUNDS = 20
AMOUNT = 50_000

Rows = Callable[..., list[dict]]


def test_of_fifty_full_refunds_at_once_one_is_accepted(clerk: Clerk, paid, audit, rows: Rows) -> None:
    for _ in range(ROUNDS):
        payment_id = paid(AMOUNT)
        answers = at_once([partial(clerk.refund, payment_id, AMOUNT)] * 50)
        assert Counter(status for status, _ in answers) == {201: 1, 400: 49}
        reasons = {body["error"]["reason"] for status, body in answers if status == 400}
        assert reasons == {"insufficient_refund_amount"}
    assert len(rows("SELECT * FROM refunds")) == ROUNDS
    assert {row["refunds_reserved"] for row in rows("SELECT * FROM payments")} == {AMOUNT}
    audit()


def parts_of(amount: int, count: int, chance: random.Random) -> list[int]:
    """So many amounts that add up to exactly this one."""
    cuts = [0, *sorted(chance.sample(range(1, amount), count - 1)), amount]
    return [end - start for start, end in pairwise(cuts)]


@pytest.mark.parametrize("turn", range(3))
def test_a_hundred_parts_that_add_up_exactly_are_all_accepted(clerk: Clerk, paid, audit, rows, turn) -> None:
    payment_id = paid(AMOUNT)
    parts = parts_of(AMOUNT, 100, random.Random(turn))
    answers = at_once([partial(clerk.refund, payment_id, part) for part in parts])
    assert Counter(status for status, _ in answers) == {201: 100}
    (row,) = rows("SELECT * FROM payments")
    assert row["refunds_reserved"] == AMOUNT
    assert clerk.refund(payment_id, 1)[0] == 400
    audit()


@pytest.mark.parametrize("turn", range(3))
def test_a_hundred_that_want_too_much_get_all_there_is_and_no_more(
    clerk: Clerk, paid, audit, rows, turn
) -> None:
    chance = random.Random(turn)
    payment_id = paid(AMOUNT)
    wanted = [chance.randint(1, AMOUNT // 20) for _ in range(100)]
    answers = at_once([partial(clerk.refund, payment_id, amount) for amount in wanted])
    assert {status for status, _ in answers} == {201, 400}
    accepted = sum(body["amount"] for status, body in answers if status == 201)
    (row,) = rows("SELECT * FROM payments")
    assert row["refunds_reserved"] == accepted <= AMOUNT
    # What was refused did not fit when it was asked for, and less than that is left now.
    refused = [amount for amount, (status, _) in zip(wanted, answers, strict=True) if status == 400]
    assert min(refused) > AMOUNT - accepted
    audit()


def test_nobody_captures_what_a_refund_already_holds(clerk: Clerk, paid, audit, rows: Rows) -> None:
    """A captured payment may be refunded, but one that is wholly refunded may not be captured."""
    for _ in range(ROUNDS):
        payment_id = paid(AMOUNT)
        acts = [partial(clerk.capture, payment_id), partial(clerk.refund, payment_id, AMOUNT)] * 4
        answers = at_once(acts)
        captures = Counter(status for status, _ in answers[0::2])
        assert Counter(status for status, _ in answers[1::2]) == {201: 1, 400: 3}
        (payment,) = rows("SELECT * FROM payments WHERE id = :id", id=payment_id)
        assert captures == ({200: 1, 400: 3} if payment["captured"] else {400: 4})
        deeds = rows(
            "SELECT kind, amount, debit_account FROM ledger_transfers"
            " WHERE payment_id = :id AND kind <> 'payment' ORDER BY position",
            id=payment_id,
        )
        kinds = ["capture", "refund_reserved"] if payment["captured"] else ["refund_reserved"]
        assert [deed["kind"] for deed in deeds] == kinds
        assert {deed["amount"] for deed in deeds} == {AMOUNT}
        home = "merchant_balance" if payment["captured"] else "merchant_uncaptured"
        assert deeds[-1]["debit_account"] == home
    audit()
