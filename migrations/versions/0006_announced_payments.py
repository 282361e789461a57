"""Payments whose first events a worker has yet to write; those that exist have told of them by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INDEX = "ix_payments_unannounced"


def upgrade() -> None:
    with op.batch_alter_table("payments") as payments:
        payments.add_column(sa.Column("is_announced", sa.Boolean(), server_default=sa.true(), nullable=False))
        payments.create_check_constraint(op.f("ck_payments_announced"), "is_announced OR status = 'pending'")
    op.create_index(
        op.f(INDEX),
        "payments",
        ["created_at"],
        postgresql_where=sa.text("NOT is_announced"),
        sqlite_where=sa.text("NOT is_announced"),
    )


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM payments WHERE NOT is_announced")):
        raise RuntimeError("payments wait for their first events; stop the web and let a worker write them")
    op.drop_index(op.f(INDEX), table_name="payments")
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f("ck_payments_announced"), type_="check")
        payments.drop_column("is_announced")
