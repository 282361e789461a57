"""The ledger: where every paisa is, by double entry.

    success           processor_receivable -> merchant_uncaptured
    capture           merchant_uncaptured  -> merchant_balance
    refund reserved   merchant_uncaptured or merchant_balance -> refunds_reserved
    refund paid       refunds_reserved     -> refunds_paid
    refund released   refunds_reserved     -> where it came from

An arrow debits its left account and credits its right one. What a payment's
refunds do not hold lies in merchant_uncaptured until it is captured, and in
merchant_balance after. Fees are 0 for now; their account waits.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from gateway.core import clock
from gateway.core.db import add_row, session, tally
from gateway.core.statements import Statement
from gateway.models import Balance, Payment, Refund, Transfer
from gateway.models.ledger import ACCOUNTS

# The columns of one transfer.
Posting = dict[str, Any]

# The table's own name in front: SQLite and PostgreSQL agree that it means the row that was there.
_CHANGE_BALANCE = Statement(
    "INSERT INTO ledger_balances (merchant_id, currency, account, balance)"
    " VALUES (:merchant_id, :currency, :account, :change)"
    " ON CONFLICT (merchant_id, currency, account)"
    " DO UPDATE SET balance = ledger_balances.balance + excluded.balance"
)


def success(payment: Payment) -> Posting:
    """The processor owes us what the payer paid."""
    return _transfer(payment, "payment", "processor_receivable", "merchant_uncaptured", payment.amount)


def capture(payment: Payment) -> Posting:
    """What no refund holds becomes the merchant's."""
    free = payment.amount - payment.refunds_reserved
    return _transfer(payment, "capture", "merchant_uncaptured", "merchant_balance", free)


def refund_reserved(payment: Payment, refund: Refund) -> Posting:
    return _transfer(payment, "refund_reserved", _home(payment), "refunds_reserved", refund.amount, refund.id)


def refund_paid(payment: Payment, refund: Refund) -> Posting:
    return _transfer(payment, "refund_paid", "refunds_reserved", "refunds_paid", refund.amount, refund.id)


def refund_released(payment: Payment, refund: Refund) -> Posting:
    return _transfer(payment, "refund_released", "refunds_reserved", _home(payment), refund.amount, refund.id)


def post(postings: Iterable[Posting]) -> None:
    """Write the transfers and their balances in the caller's transaction."""
    for posting in postings:
        add_row(Transfer, **posting)
        _tally(posting, posting["debit_account"], -posting["amount"])
        _tally(posting, posting["credit_account"], posting["amount"])


def _tally(posting: Posting, account: str, change: int) -> None:
    tally(
        _CHANGE_BALANCE,
        change,
        merchant_id=posting["merchant_id"],
        currency=posting["currency"],
        account=account,
    )


def balances(merchant_id: str) -> dict[str, dict[str, int]]:
    """Every account of the merchant in minor units, by currency."""
    found: dict[str, dict[str, int]] = {}
    for row in session().scalars(
        select(Balance).where(Balance.merchant_id == merchant_id).order_by(Balance.currency)
    ):
        found.setdefault(row.currency, dict.fromkeys(ACCOUNTS, 0))[row.account] = row.balance
    return found


def _home(payment: Payment) -> str:
    return "merchant_balance" if payment.captured else "merchant_uncaptured"


def _transfer(
    payment: Payment, kind: str, debit: str, credit: str, amount: int, refund_id: str = ""
) -> Posting:
    return {
        "merchant_id": payment.merchant_id,
        "currency": payment.currency,
        "kind": kind,
        "debit_account": debit,
        "credit_account": credit,
        "amount": amount,
        "payment_id": payment.id,
        # Empty where no refund is concerned: NULLs would escape the unique index.
        "refund_id": refund_id,
        "created_at": clock.now(),
    }
