"""Answers kept for requests that may be sent again."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import UUID, Base


class IdempotencyKey(Base):
    """The exact answer to the first request with this key of this merchant."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("status_code BETWEEN 200 AND 299", "status_code"),
        Index("ix_idempotency_keys_expires_at", "expires_at"),
    )

    merchant_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int]
    response: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
