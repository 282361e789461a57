"""Double entry: transfers that nobody can change or delete, and the balances they add up to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

UUID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")

REFUSE = "the ledger is append-only"

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "ledger_balances",
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("account", sa.String(length=24), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "account IN ('processor_receivable', 'merchant_uncaptured', 'merchant_balance', 'fees', 'refunds_reserved', 'refunds_paid')",
            name=op.f("ck_ledger_balances_account"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "currency", "account", name=op.f("pk_ledger_balances")),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("merchant_id", UUID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("debit_account", sa.String(length=24), nullable=False),
        sa.Column("credit_account", sa.String(length=24), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.String(length=24), nullable=False),
        sa.Column("refund_id", sa.String(length=24), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "credit_account IN ('processor_receivable', 'merchant_uncaptured', 'merchant_balance', 'fees', 'refunds_reserved', 'refunds_paid')",
            name=op.f("ck_ledger_transfers_credit_account"),
        ),
        sa.CheckConstraint(
            "debit_account IN ('processor_receivable', 'merchant_uncaptured', 'merchant_balance', 'fees', 'refunds_reserved', 'refunds_paid')",
            name=op.f("ck_ledger_transfers_debit_account"),
        ),
        sa.CheckConstraint(
            "kind IN ('payment', 'capture', 'refund_reserved', 'refund_paid', 'refund_released')",
            name=op.f("ck_ledger_transfers_kind"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transfers_amount")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_ledger_transfers_two_accounts")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_ledger_transfers_payment_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_ledger_transfers")),
    )
    op.create_index(
        "uq_ledger_transfers_deed", "ledger_transfers", ["payment_id", "kind", "refund_id"], unique=True
    )
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_transfers_no_{act.lower()} BEFORE {act} ON ledger_transfers"
                f" BEGIN SELECT RAISE(ABORT, '{REFUSE}'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{REFUSE}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER ledger_transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers"
            " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        )


def downgrade() -> None:
    op.drop_index("uq_ledger_transfers_deed", table_name="ledger_transfers")
    op.drop_table("ledger_transfers")
    op.drop_table("ledger_balances")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ledger_refuse()")
