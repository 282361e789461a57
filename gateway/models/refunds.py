"""Refunds: part of a successful payment on its way back to the payer."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.core.money import MAX_AMOUNT
from gateway.models.base import UUID, Base, one_of, public_key
from gateway.models.work import Work

STATUSES = ("pending", "processed", "failed")


class Refund(Work, Base):
    """pending -> processed | failed. A failed one has given its reserved amount back."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint(f"amount BETWEEN 1 AND {MAX_AMOUNT}", "amount"),
        CheckConstraint(one_of("status", *STATUSES), "status"),
        CheckConstraint("(status = 'processed') = (processed_at IS NOT NULL)", "processed"),
        CheckConstraint("due_at IS NULL OR status = 'pending'", "due"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_status", "status", "merchant_id", "created_at", "id"),
        Index("ix_refunds_merchant_id", "merchant_id", "created_at", "id"),
        Index(
            "ix_refunds_due_at",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[public_key]
    payment_id: Mapped[str] = mapped_column(String(24), ForeignKey("payments.id"))
    merchant_id: Mapped[str] = mapped_column(UUID)
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    status: Mapped[str] = mapped_column(String(16), default="pending")
    error_description: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime]
    processed_at: Mapped[datetime | None] = mapped_column(default=None)
