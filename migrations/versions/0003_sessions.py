"""Browsers in which people are signed in, and merchants who ask for a checkout token."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

UUID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", UUID, nullable=False),
        sa.Column("user_id", UUID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"])
    with op.batch_alter_table("merchants") as merchants:
        merchants.add_column(
            sa.Column("requires_checkout_token", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("merchants") as merchants:
        merchants.alter_column("requires_checkout_token", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("merchants") as merchants:
        merchants.drop_column("requires_checkout_token")
    op.drop_index(op.f("ix_user_sessions_user_id"), table_name="user_sessions")
    op.drop_table("user_sessions")
