"""Merchants, the people who sign in for them, and the keys their servers use."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import UUID, Base, one_of, uuid_key


class Merchant(Base):
    __tablename__ = "merchants"

    id: Mapped[uuid_key]
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(255), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    # What browsers may open the checkout from; a JSON array of origins, null for the default.
    allowed_origins: Mapped[str | None] = mapped_column(Text, default=None)
    # Whether the open checkout routes want an order's checkout token besides its id.
    requires_checkout_token: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class User(Base):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint(one_of("role", "owner", "developer", "viewer"), "role"),)

    id: Mapped[uuid_key]
    merchant_id: Mapped[str] = mapped_column(UUID, ForeignKey("merchants.id"), index=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16), default="owner")
    is_active: Mapped[bool] = mapped_column(default=True)
    last_seen_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class UserSession(Base):
    """One browser in which a person is signed in; the cookie holds the token, this its hash.

    It is over when it was ended or has expired, whatever a cookie still says.
    """

    __tablename__ = "user_sessions"

    id: Mapped[uuid_key]
    user_id: Mapped[str] = mapped_column(UUID, ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # What the browser calls itself, so that its person knows it again.
    agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)


class ApiKey(Base):
    """One pair of credentials. The secret is kept as a keyed hash, and encrypted where a page shows it."""

    __tablename__ = "api_keys"

    id: Mapped[uuid_key]
    merchant_id: Mapped[str] = mapped_column(UUID, ForeignKey("merchants.id"), index=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    secret_encrypted: Mapped[str | None] = mapped_column(Text, default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
