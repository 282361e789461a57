"""The database itself sees to it that each deed is told of once: per payment, event and refund.

Processes of the version before write no refund's id and may be refused where a
payment has several refunds; what they had begun is done by the newer ones.
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
        events.drop_index(op.f("ix_events_payment_id"))
    op.execute(f"UPDATE events SET refund_id = {REFUND_ID[kind]} WHERE event LIKE 'refund.%'")
    op.execute("UPDATE events SET payment_id = NULL WHERE event = 'webhook.test'")
    op.create_index("uq_events_deed", "events", ["payment_id", "event", "refund_id"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_events_deed", table_name="events")
    with op.batch_alter_table("events") as events:
        events.drop_column("refund_id")
    op.create_index(op.f("ix_events_payment_id"), "events", ["payment_id"])
