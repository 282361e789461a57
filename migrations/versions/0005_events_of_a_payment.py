"""The events of one payment are found by its id."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(op.f("ix_events_payment_id"), "events", ["payment_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_events_payment_id"), table_name="events")
