"""The books: what `verify` finds, and what nobody can change."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.core import db
from gateway.core.db import reading
from gateway.domain import verification
from tests.conftest import Office, Person


@pytest.fixture
def books(merchant: Person, office: Office, wait) -> str:
    """A day with a capture and refunds that were paid, refused and reserved; the id of the payment."""
    payment_id = str(merchant.pay(merchant.order(50000), vpa="norefund@sandbox")["id"])
    other = str(merchant.pay(merchant.order(70000))["id"])
    merchant.pay(vpa="declined@sandbox")
    merchant.pay()
    wait(2)
    office.settle()
    merchant.post(f"/payments/{payment_id}/refunds", {"amount": 100})
    merchant.post(f"/payments/{payment_id}/capture")
    merchant.post(f"/payments/{other}/refunds", {"amount": 200})
    wait(8)
    office.refund()
    merchant.post(f"/payments/{other}/refunds", {"amount": 300})
    office.deliver()
    return payment_id


def complaints() -> dict[str, list[str]]:
    with reading():
        return verification.complaints()


def test_sound_books_have_no_complaint(books: str) -> None:
    assert complaints() == {}


@pytest.mark.parametrize(
    ("damage", "rules"),
    [
        ("UPDATE ledger_balances SET balance = balance + 1 WHERE account = 'refunds_paid'", 2),
        ("UPDATE payments SET refunds_reserved = 7, amount_refunded = 7 WHERE id = :id", 2),
        ("UPDATE payments SET captured = false WHERE id = :id", 1),
        ("UPDATE refunds SET amount = amount + 1 WHERE status = 'processed'", 1),
        ("UPDATE orders SET status = 'attempted', paid_payment_id = NULL", 1),
        ("UPDATE orders SET paid_payment_id = 'pay_0000000000000000' WHERE status = 'paid'", 1),
        ("UPDATE payments SET status = 'success' WHERE status = 'failed'", 3),
        ("UPDATE event_counters SET last_sequence = last_sequence + 1", 1),
        ("UPDATE events SET event = 'payment.success' WHERE event = 'payment.failed'", 1),
    ],
)
def test_every_damage_is_noticed(books: str, damage: str, rules: int) -> None:
    with db.engine().begin() as connection:
        connection.execute(text(damage), {"id": books} if ":id" in damage else {})
    assert len(complaints()) == rules, complaints()


@pytest.mark.parametrize(
    "damage", ["UPDATE ledger_transfers SET amount = amount + 1", "DELETE FROM ledger_transfers"]
)
def test_the_ledger_is_append_only(books: str, damage: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"), db.engine().begin() as connection:
        connection.execute(text(damage))


def test_a_deed_is_posted_once(books: str) -> None:
    copy = (
        "INSERT INTO ledger_transfers (merchant_id, currency, kind, debit_account, credit_account, amount,"
        " payment_id, refund_id, created_at) SELECT merchant_id, currency, kind, debit_account,"
        " credit_account, amount, payment_id, refund_id, created_at"
        " FROM ledger_transfers WHERE kind = 'payment'"
    )
    with pytest.raises(DBAPIError, match=r"(?i)unique"), db.engine().begin() as connection:
        connection.execute(text(copy))
