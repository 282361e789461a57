"""The database itself sees to it that each deed is told of once: per payment, event and refund.

No older process may go on beside the newer ones: it writes no refund's id.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

REFUND_ID = {
    "postgresql": "CAST(data AS json) -> 'refund' ->> 'id'",
    "sqlite": "json_extract(data, '$.refund.id')",
}


def upgrade() -> None:
    kind = op.get_bind().dialect.name
    # SQLite would write the column behind the table's last line.
    with op.batch_alter_table("events", recreate="always" if kind == "sqlite" else "never") as events:
        events.add_column(
            sa.Column("refund_id", sa.String(length=24), server_default=sa.text("''"), nullable=False)
        )
    op.execute(f"UPDATE events SET refund_id = {REFUND_ID[kind]} WHERE event LIKE 'refund.%'")
    op.execute("UPDATE events SET payment_id = NULL WHERE event = 'webhook.test'")
    # Should something have been told twice, merchants may have counted on either: both stay in the sequence.
    op.execute(
        "UPDATE events SET payment_id = NULL WHERE EXISTS (SELECT 1 FROM events AS earlier"
        " WHERE earlier.payment_id = events.payment_id AND earlier.event = events.event"
        " AND earlier.refund_id = events.refund_id AND earlier.position < events.position)"
    )
    op.drop_index(op.f("ix_events_payment_id"), table_name="events")
    op.create_index("uq_events_deed", "events", ["payment_id", "event", "refund_id"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_events_deed", table_name="events")
    with op.batch_alter_table("events") as events:
        events.drop_column("refund_id")
    op.create_index(op.f("ix_events_payment_id"), "events", ["payment_id"])
