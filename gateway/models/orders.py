"""Orders: what a merchant wants to be paid."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.core.money import MAX_AMOUNT
from gateway.models.base import UUID, Base, one_of, public_key

STATUSES = ("created", "attempted", "paid")


class Payable(NamedTuple):
    """The columns of an order that paying it looks at."""

    id: str
    merchant_id: str
    amount: int
    currency: str
    status: str


class Order(Base):
    """created -> attempted (somebody tried to pay) -> paid (won once, by `paid_payment_id`)."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"amount BETWEEN 100 AND {MAX_AMOUNT}", "amount"),
        CheckConstraint(one_of("status", *STATUSES), "status"),
        CheckConstraint("(status = 'paid') = (paid_payment_id IS NOT NULL)", "paid_once"),
        Index("ix_orders_status", "status", "merchant_id", "created_at", "id"),
        Index("ix_orders_merchant_id", "merchant_id", "created_at", "id"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[public_key]
    merchant_id: Mapped[str] = mapped_column(UUID, ForeignKey("merchants.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    receipt: Mapped[str | None] = mapped_column(String(255), default=None)
    notes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    status: Mapped[str] = mapped_column(String(16), default="created")
    # No foreign key: payments point here already, and a circle of keys buys nothing.
    paid_payment_id: Mapped[str | None] = mapped_column(String(24), default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
