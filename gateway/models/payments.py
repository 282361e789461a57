"""Payments: one try of a customer to pay an order."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from gateway.core.money import MAX_AMOUNT
from gateway.models.base import UUID, Base, one_of, public_key
from gateway.models.work import Work

STATUSES = ("pending", "success", "failed")
METHODS = ("upi", "card")


class Payment(Work, Base):
    """pending -> success | failed. The bank knows it by its own id, stored before the first call.

    refunds_reserved is what pending and processed refunds hold, amount_refunded
    what was processed; the difference is on its way.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(f"amount BETWEEN 100 AND {MAX_AMOUNT}", "amount"),
        CheckConstraint(one_of("status", *STATUSES), "status"),
        CheckConstraint(one_of("method", *METHODS), "method"),
        CheckConstraint(
            "(method = 'upi' AND card_last4 IS NULL"
            " AND (vpa IS NOT NULL OR (upi_link IS NOT NULL AND status <> 'success')))"
            " OR (method = 'card' AND vpa IS NULL AND upi_link IS NULL"
            " AND card_last4 IS NOT NULL AND card_network IS NOT NULL)",
            "instrument",
        ),
        CheckConstraint("length(card_last4) = 4", "last4"),
        CheckConstraint("NOT captured OR status = 'success'", "captured"),
        CheckConstraint("amount_refunded BETWEEN 0 AND refunds_reserved", "refunded"),
        CheckConstraint("refunds_reserved <= amount", "reserved"),
        CheckConstraint("refunds_reserved = 0 OR status = 'success'", "refundable"),
        CheckConstraint("due_at IS NULL OR status = 'pending'", "due"),
        CheckConstraint("is_announced OR status = 'pending'", "announced"),
        Index("ix_payments_order_id", "order_id"),
        Index("ix_payments_status", "status", "merchant_id", "created_at", "id"),
        Index("ix_payments_merchant_id", "merchant_id", "created_at", "id"),
        Index(
            "ix_payments_due_at",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_payments_unannounced",
            "created_at",
            postgresql_where=text("NOT is_announced"),
            sqlite_where=text("NOT is_announced"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[public_key]
    order_id: Mapped[str] = mapped_column(String(24), ForeignKey("orders.id"))
    # The order's merchant. No key to merchants: each payment would lock that one hot row.
    merchant_id: Mapped[str] = mapped_column(UUID)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    method: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    vpa: Mapped[str | None] = mapped_column(String(255), default=None)
    # Opens the payer's own app. Such a payment has no address before the app has answered.
    upi_link: Mapped[str | None] = mapped_column(Text, default=None)
    card_network: Mapped[str | None] = mapped_column(String(16), default=None)
    card_last4: Mapped[str | None] = mapped_column(String(4), default=None)
    # What the processor gave for the instrument; stands for a card that nobody may store.
    instrument_token: Mapped[str | None] = mapped_column(Text, default=None)
    error_code: Mapped[str | None] = mapped_column(String(64), default=None)
    error_description: Mapped[str | None] = mapped_column(Text, default=None)
    captured: Mapped[bool] = mapped_column(default=False)
    captured_at: Mapped[datetime | None] = mapped_column(default=None)
    amount_refunded: Mapped[int] = mapped_column(BigInteger, default=0)
    refunds_reserved: Mapped[int] = mapped_column(BigInteger, default=0)
    # Whether the events of its beginning were written. Until then the row stands for them, too; whoever
    # inserts one in another way than `payments.create` has told of it, or does not want to.
    is_announced: Mapped[bool] = mapped_column(default=True, server_default=true())
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
