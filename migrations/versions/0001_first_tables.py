"""first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

UUID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", UUID, nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        "ix_audit_log_merchant_id", "audit_log", ["merchant_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "event_counters",
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_event_counters")),
    )
    op.create_table(
        "events",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("payment_id", sa.String(length=24), nullable=True),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.String(length=24), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
        sa.UniqueConstraint("merchant_id", "sequence", name=op.f("uq_events_merchant_id_sequence")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_events_waiting",
        "events",
        ["position"],
        unique=False,
        postgresql_where=sa.text("sequence IS NULL"),
        sqlite_where=sa.text("sequence IS NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("status_code BETWEEN 200 AND 299", name=op.f("ck_idempotency_keys_status_code")),
        sa.PrimaryKeyConstraint("merchant_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "merchants",
        sa.Column("id", UUID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("allowed_origins", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
        sa.UniqueConstraint("email", name=op.f("uq_merchants_email")),
    )
    op.create_table(
        "workers",
        sa.Column("id", UUID, nullable=False),
        sa.Column("queues", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("beat_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", UUID, nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("secret_encrypted", sa.Text(), nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_api_keys_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key", name=op.f("uq_api_keys_key")),
    )
    op.create_index(op.f("ix_api_keys_merchant_id"), "api_keys", ["merchant_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("receipt", sa.String(length=255), nullable=True),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("paid_payment_id", sa.String(length=24), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "(status = 'paid') = (paid_payment_id IS NOT NULL)", name=op.f("ck_orders_paid_once")
        ),
        sa.CheckConstraint("status IN ('created', 'attempted', 'paid')", name=op.f("ck_orders_status")),
        sa.CheckConstraint("amount BETWEEN 100 AND 9999999999", name=op.f("ck_orders_amount")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_orders_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_orders_status", "orders", ["status", "merchant_id", "created_at", "id"], unique=False)
    op.create_index("ix_orders_merchant_id", "orders", ["merchant_id", "created_at", "id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", UUID, nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_seen_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("role IN ('owner', 'developer', 'viewer')", name=op.f("ck_users_role")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_users_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_merchant_id"), "users", ["merchant_id"], unique=False)
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("events", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("secret_encrypted", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_webhook_endpoints_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        op.f("ix_webhook_endpoints_merchant_id"), "webhook_endpoints", ["merchant_id"], unique=False
    )
    op.create_index(
        "uq_webhook_endpoints_default",
        "webhook_endpoints",
        ["merchant_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("order_id", sa.String(length=24), nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("vpa", sa.String(length=255), nullable=True),
        sa.Column("card_network", sa.String(length=16), nullable=True),
        sa.Column("card_last4", sa.String(length=4), nullable=True),
        sa.Column("instrument_token", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_description", sa.Text(), nullable=True),
        sa.Column("captured", sa.Boolean(), nullable=False),
        sa.Column("captured_at", TIME, nullable=True),
        sa.Column("amount_refunded", sa.BigInteger(), nullable=False),
        sa.Column("refunds_reserved", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("lease_token", UUID, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(method = 'upi' AND vpa IS NOT NULL AND card_last4 IS NULL) OR (method = 'card' AND vpa IS NULL AND card_last4 IS NOT NULL AND card_network IS NOT NULL)",
            name=op.f("ck_payments_instrument"),
        ),
        sa.CheckConstraint("NOT captured OR status = 'success'", name=op.f("ck_payments_captured")),
        sa.CheckConstraint("due_at IS NULL OR status = 'pending'", name=op.f("ck_payments_due")),
        sa.CheckConstraint("method IN ('upi', 'card')", name=op.f("ck_payments_method")),
        sa.CheckConstraint("refunds_reserved = 0 OR status = 'success'", name=op.f("ck_payments_refundable")),
        sa.CheckConstraint("status IN ('pending', 'success', 'failed')", name=op.f("ck_payments_status")),
        sa.CheckConstraint("amount BETWEEN 100 AND 9999999999", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "amount_refunded BETWEEN 0 AND refunds_reserved", name=op.f("ck_payments_refunded")
        ),
        sa.CheckConstraint("length(card_last4) = 4", name=op.f("ck_payments_last4")),
        sa.CheckConstraint("refunds_reserved <= amount", name=op.f("ck_payments_reserved")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payments_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_payments_due_at",
        "payments",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_payments_merchant_id", "payments", ["merchant_id", "created_at", "id"], unique=False)
    op.create_index("ix_payments_order_id", "payments", ["order_id"], unique=False)
    op.create_index(
        "ix_payments_status", "payments", ["status", "merchant_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "webhook_logs",
        sa.Column("id", UUID, nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("event_id", sa.String(length=24), nullable=False),
        sa.Column("endpoint_id", sa.String(length=24), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_attempt_at", TIME, nullable=True),
        sa.Column("next_retry_at", TIME, nullable=True),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("lease_token", UUID, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "(status = 'pending') = (next_retry_at IS NOT NULL)", name=op.f("ck_webhook_logs_next_retry")
        ),
        sa.CheckConstraint("status IN ('pending', 'success', 'failed')", name=op.f("ck_webhook_logs_status")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_logs_attempts")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_logs_endpoint_id")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_webhook_logs_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_logs")),
        sa.UniqueConstraint("event_id", "endpoint_id", name=op.f("uq_webhook_logs_event_id_endpoint_id")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_webhook_logs_merchant_id", "webhook_logs", ["merchant_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_webhook_logs_next_retry_at",
        "webhook_logs",
        ["next_retry_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_webhook_logs_status", "webhook_logs", ["status", "merchant_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("id", UUID, nullable=False),
        sa.Column("delivery_id", UUID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('success', 'refused', 'timeout', 'unreachable', 'blocked', 'interrupted')",
            name=op.f("ck_delivery_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_logs.id"], name=op.f("fk_delivery_attempts_delivery_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempts")),
    )
    op.create_index(
        "ix_delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id", "started_at"], unique=False
    )
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("payment_id", sa.String(length=24), nullable=False),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error_description", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("processed_at", TIME, nullable=True),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("lease_token", UUID, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(status = 'processed') = (processed_at IS NOT NULL)", name=op.f("ck_refunds_processed")
        ),
        sa.CheckConstraint("due_at IS NULL OR status = 'pending'", name=op.f("ck_refunds_due")),
        sa.CheckConstraint("status IN ('pending', 'processed', 'failed')", name=op.f("ck_refunds_status")),
        sa.CheckConstraint("amount BETWEEN 1 AND 9999999999", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_refunds_due_at",
        "refunds",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_refunds_merchant_id", "refunds", ["merchant_id", "created_at", "id"], unique=False)
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"], unique=False)
    op.create_index(
        "ix_refunds_status", "refunds", ["status", "merchant_id", "created_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_refunds_status", table_name="refunds")
    op.drop_index("ix_refunds_payment_id", table_name="refunds")
    op.drop_index("ix_refunds_merchant_id", table_name="refunds")
    op.drop_index(
        "ix_refunds_due_at",
        table_name="refunds",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_table("refunds")
    op.drop_index("ix_delivery_attempts_delivery_id", table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_index("ix_webhook_logs_status", table_name="webhook_logs")
    op.drop_index(
        "ix_webhook_logs_next_retry_at",
        table_name="webhook_logs",
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.drop_index("ix_webhook_logs_merchant_id", table_name="webhook_logs")
    op.drop_table("webhook_logs")
    op.drop_index("ix_payments_status", table_name="payments")
    op.drop_index("ix_payments_order_id", table_name="payments")
    op.drop_index("ix_payments_merchant_id", table_name="payments")
    op.drop_index(
        "ix_payments_due_at",
        table_name="payments",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_table("payments")
    op.drop_index(
        "uq_webhook_endpoints_default",
        table_name="webhook_endpoints",
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.drop_index(op.f("ix_webhook_endpoints_merchant_id"), table_name="webhook_endpoints")
    op.drop_table("webhook_endpoints")
    op.drop_index(op.f("ix_users_merchant_id"), table_name="users")
    op.drop_table("users")
    op.drop_index("ix_orders_status", table_name="orders")
    op.drop_index("ix_orders_merchant_id", table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_api_keys_merchant_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("workers")
    op.drop_table("merchants")
    op.drop_index("ix_idempotency_keys_expires_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(
        "ix_events_waiting",
        table_name="events",
        postgresql_where=sa.text("sequence IS NULL"),
        sqlite_where=sa.text("sequence IS NULL"),
    )
    op.drop_table("events")
    op.drop_table("event_counters")
    op.drop_index("ix_audit_log_merchant_id", table_name="audit_log")
    op.drop_table("audit_log")
