"""Events, the endpoints that want them, and every delivery of one to the other."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import UUID, Base, one_of, public_key, uuid_key

STATUSES = ("pending", "success", "failed")
# What merchants can be told. `webhook.test` is sent when somebody asks for it, wanted or not.
EVENTS = (
    "payment.created",
    "payment.pending",
    "payment.success",
    "payment.failed",
    "payment.captured",
    "order.paid",
    "refund.created",
    "refund.processed",
    "refund.failed",
)
TEST_EVENT = "webhook.test"


class Endpoint(Base):
    """Where a merchant's webhooks go. The default one is the `webhook_url` of the configuration."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index(
            "uq_webhook_endpoints_default",
            "merchant_id",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    id: Mapped[public_key]
    merchant_id: Mapped[str] = mapped_column(UUID, ForeignKey("merchants.id"), index=True)
    url: Mapped[str | None] = mapped_column(Text, default=None)
    is_default: Mapped[bool] = mapped_column(default=False)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(Text, default=None)
    # Names of the events it wants; null means all.
    events: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), default=None)
    secret_encrypted: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Address(NamedTuple):
    """The columns of an endpoint that sending to it looks at."""

    id: str
    merchant_id: str
    url: str
    secret_encrypted: str
    # The events it wants; None means all.
    events: frozenset[str] | None = None


class EventCounter(Base):
    """The last sequence number given to an event of this merchant."""

    __tablename__ = "event_counters"

    merchant_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    last_sequence: Mapped[int] = mapped_column(BigInteger, default=0)


class Event(Base):
    """Something that happened, written in the transaction in which it happened.

    Only that a payment has begun is written by the worker (Payment.is_announced).
    `data` is frozen as text at that moment. `sequence` follows when the fan-out
    takes it up; until then it is null and the event is not visible to merchants.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("merchant_id", "sequence"),
        # Each deed is told of once, whatever a worker believes. A payment's page finds its events here, too.
        Index("uq_events_deed", "payment_id", "event", "refund_id", unique=True),
        Index(
            "ix_events_waiting",
            "position",
            postgresql_where=text("sequence IS NULL"),
            sqlite_where=text("sequence IS NULL"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True, init=False
    )
    id: Mapped[str] = mapped_column(String(24))
    # No key to merchants: each event would lock that one hot row.
    merchant_id: Mapped[str] = mapped_column(UUID)
    # Null for a test, which is of no payment and may come as often as somebody likes.
    payment_id: Mapped[str | None] = mapped_column(String(24), default=None)
    event: Mapped[str] = mapped_column(String(32))
    # Empty where no refund is concerned: NULLs would escape the unique index.
    refund_id: Mapped[str] = mapped_column(String(24), default="", server_default=text("''"))
    data: Mapped[str] = mapped_column(Text)
    # An event for one endpoint only, such as a test; null means every endpoint that wants it.
    endpoint_id: Mapped[str | None] = mapped_column(String(24), default=None)
    sequence: Mapped[int | None] = mapped_column(BigInteger, default=None)
    created_at: Mapped[datetime]


class Waiting(NamedTuple):
    """An event that has no place in the sequence yet."""

    id: str
    merchant_id: str
    event: str
    data: str
    endpoint_id: str | None
    created_at: datetime


class Delivery(Base):
    """One event for one endpoint. Its table keeps the public name, webhook_logs.

    `payload` is the exact body: stored once, signed and sent as it is.
    """

    __tablename__ = "webhook_logs"
    __table_args__ = (
        CheckConstraint(one_of("status", *STATUSES), "status"),
        CheckConstraint("(status = 'pending') = (next_retry_at IS NOT NULL)", "next_retry"),
        CheckConstraint("attempts >= 0", "attempts"),
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_webhook_logs_merchant_id", "merchant_id", "created_at", "id"),
        Index("ix_webhook_logs_status", "status", "merchant_id", "created_at", "id"),
        Index(
            "ix_webhook_logs_next_retry_at",
            "next_retry_at",
            postgresql_where=text("status = 'pending'"),
            sqlite_where=text("status = 'pending'"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[uuid_key]
    merchant_id: Mapped[str] = mapped_column(UUID)
    event_id: Mapped[str] = mapped_column(String(24), ForeignKey("events.id"))
    endpoint_id: Mapped[str] = mapped_column(String(24), ForeignKey("webhook_endpoints.id"))
    event: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    last_attempt_at: Mapped[datetime | None] = mapped_column(default=None)
    next_retry_at: Mapped[datetime | None] = mapped_column(default=None)
    response_code: Mapped[int | None] = mapped_column(default=None)
    response_body: Mapped[str | None] = mapped_column(Text, default=None)
    lease_until: Mapped[datetime | None] = mapped_column(default=None)
    lease_token: Mapped[str | None] = mapped_column(UUID, default=None)
    created_at: Mapped[datetime]


class Attempt(Base):
    """One try at a delivery, written as it starts; `outcome` follows when it ends.

    An attempt without an outcome was under way when its worker died.
    """

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        Index("ix_delivery_attempts_delivery_id", "delivery_id", "started_at"),
        CheckConstraint(
            one_of("outcome", "success", "refused", "timeout", "unreachable", "blocked", "interrupted"),
            "outcome",
        ),
    )

    id: Mapped[uuid_key]
    delivery_id: Mapped[str] = mapped_column(UUID, ForeignKey("webhook_logs.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int | None] = mapped_column(default=None)
    outcome: Mapped[str | None] = mapped_column(String(16), default=None)
    response_code: Mapped[int | None] = mapped_column(default=None)
    error: Mapped[str | None] = mapped_column(Text, default=None)
