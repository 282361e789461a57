"""UPI payments that the payer makes in their own app: a link, and no address before the app has answered."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INSTRUMENT = "ck_payments_instrument"


def upgrade() -> None:
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f(INSTRUMENT), type_="check")
        payments.add_column(sa.Column("upi_link", sa.Text(), nullable=True))
        payments.create_check_constraint(
            op.f(INSTRUMENT),
            "(method = 'upi' AND card_last4 IS NULL AND (vpa IS NOT NULL OR (upi_link IS NOT NULL AND status <> 'success'))) OR (method = 'card' AND vpa IS NULL AND upi_link IS NULL AND card_last4 IS NOT NULL AND card_network IS NOT NULL)",
        )


def downgrade() -> None:
    # What no app ever paid has no address; the older rule wants one.
    op.execute("UPDATE payments SET vpa = 'unknown@upi' WHERE method = 'upi' AND vpa IS NULL")
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f(INSTRUMENT), type_="check")
        payments.drop_column("upi_link")
        payments.create_check_constraint(
            op.f(INSTRUMENT),
            "(method = 'upi' AND vpa IS NOT NULL AND card_last4 IS NULL) OR (method = 'card' AND vpa IS NULL AND card_last4 IS NOT NULL AND card_network IS NOT NULL)",
        )
