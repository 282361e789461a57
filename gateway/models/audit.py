"""Who did what, for the merchant's eyes; append-only."""

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import UUID, Base, uuid_key


class AuditLine(Base):
    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_merchant_id", "merchant_id", "created_at", "id"),)

    id: Mapped[uuid_key]
    merchant_id: Mapped[str] = mapped_column(UUID)
    # `key_…` for an API key, an e-mail address for a person, `gateway` for ourselves.
    actor: Mapped[str] = mapped_column(String(255))
    act: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime]
