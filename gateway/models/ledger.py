"""The ledger: double entry, append-only."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import UUID, Base, one_of

ACCOUNTS = (
    "processor_receivable",
    "merchant_uncaptured",
    "merchant_balance",
    "fees",
    "refunds_reserved",
    "refunds_paid",
)


class Transfer(Base):
    """An amount that left one account and arrived in another: balanced because it is one row.

    Triggers refuse every UPDATE and DELETE.
    """

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        CheckConstraint("amount > 0", "amount"),
        CheckConstraint("debit_account <> credit_account", "two_accounts"),
        CheckConstraint(one_of("debit_account", *ACCOUNTS), "debit_account"),
        CheckConstraint(one_of("credit_account", *ACCOUNTS), "credit_account"),
        CheckConstraint(
            one_of("kind", "payment", "capture", "refund_reserved", "refund_paid", "refund_released"), "kind"
        ),
        # Each deed of a payment or refund is posted once, whatever a worker believes.
        Index("uq_ledger_transfers_deed", "payment_id", "kind", "refund_id", unique=True),
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True, init=False
    )
    merchant_id: Mapped[str] = mapped_column(UUID)
    currency: Mapped[str] = mapped_column(String(3))
    kind: Mapped[str] = mapped_column(String(16))
    debit_account: Mapped[str] = mapped_column(String(24))
    credit_account: Mapped[str] = mapped_column(String(24))
    amount: Mapped[int] = mapped_column(BigInteger)
    payment_id: Mapped[str] = mapped_column(String(24), ForeignKey("payments.id"))
    # Empty where no refund is concerned: NULLs would escape the unique index.
    refund_id: Mapped[str] = mapped_column(String(24), default="")
    created_at: Mapped[datetime]


class Balance(Base):
    """What the transfers of one account add up to, kept along in the transactions that post them.

    Credits less debits: what is owed to the merchant is positive, what the
    processor owes is negative, and all accounts of a currency sum to zero.
    """

    __tablename__ = "ledger_balances"
    __table_args__ = (CheckConstraint(one_of("account", *ACCOUNTS), "account"),)

    merchant_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    account: Mapped[str] = mapped_column(String(24), primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)
