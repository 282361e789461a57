"""Does everything that says something about money say the same?

Each rule is a query for what breaks it, over plain facts: payments, refunds,
orders, and the transfers of the ledger. On a sound database every one of them
comes back empty.
"""

from sqlalchemy import text

from gateway.core.db import session

MAX_SHOWN = 20

_PER_PAYMENT = """
    SELECT p.id, p.status, p.amount, p.captured, p.refunds_reserved, p.amount_refunded,
        COALESCE(SUM(CASE WHEN t.kind = 'payment' THEN t.amount END), 0) AS paid_in,
        COALESCE(SUM(CASE WHEN t.kind = 'capture' THEN 1 END), 0) AS captures,
        COALESCE(SUM(CASE WHEN t.kind = 'refund_reserved' THEN t.amount
                          WHEN t.kind = 'refund_released' THEN -t.amount END), 0) AS reserved,
        COALESCE(SUM(CASE WHEN t.kind = 'refund_paid' THEN t.amount END), 0) AS refunded
    FROM payments p LEFT JOIN ledger_transfers t ON t.payment_id = p.id
    GROUP BY p.id, p.status, p.amount, p.captured, p.refunds_reserved, p.amount_refunded
"""
_PER_REFUND = """
    SELECT p.id, p.refunds_reserved, p.amount_refunded,
        COALESCE(SUM(CASE WHEN r.status <> 'failed' THEN r.amount END), 0) AS held,
        COALESCE(SUM(CASE WHEN r.status = 'processed' THEN r.amount END), 0) AS processed
    FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id
    GROUP BY p.id, p.refunds_reserved, p.amount_refunded
"""
_PER_ACCOUNT = """
    SELECT merchant_id, currency, account, SUM(amount) AS balance FROM (
        SELECT merchant_id, currency, credit_account AS account, amount FROM ledger_transfers
        UNION ALL
        SELECT merchant_id, currency, debit_account, -amount FROM ledger_transfers
    ) AS legs GROUP BY merchant_id, currency, account
"""

RULES = {
    "a balance is what its transfers add up to": f"""
        SELECT account AS id FROM (
            SELECT merchant_id, currency, account, balance FROM ledger_balances
            UNION ALL
            SELECT merchant_id, currency, account, -balance FROM ({_PER_ACCOUNT}) AS sums
        ) AS both_sides GROUP BY merchant_id, currency, account HAVING SUM(balance) <> 0
    """,
    "the accounts of a currency sum to zero": """
        SELECT currency AS id FROM ledger_balances GROUP BY merchant_id, currency HAVING SUM(balance) <> 0
    """,
    "a successful payment, and no other, has come in once and whole": f"""
        SELECT id FROM ({_PER_PAYMENT}) AS x
        WHERE paid_in <> CASE WHEN status = 'success' THEN amount ELSE 0 END
    """,
    "a captured payment, and no other, was captured once": f"""
        SELECT id FROM ({_PER_PAYMENT}) AS x WHERE captures <> CASE WHEN captured THEN 1 ELSE 0 END
    """,
    "what a payment says of its refunds is what the ledger says": f"""
        SELECT id FROM ({_PER_PAYMENT}) AS x WHERE reserved <> refunds_reserved OR refunded <> amount_refunded
    """,
    "what a payment says of its refunds is what they add up to": f"""
        SELECT id FROM ({_PER_REFUND}) AS x WHERE held <> refunds_reserved OR processed <> amount_refunded
    """,
    "a paid order was won by a successful payment of its own": """
        SELECT o.id FROM orders o LEFT JOIN payments p
            ON p.id = o.paid_payment_id AND p.order_id = o.id AND p.status = 'success'
        WHERE o.status = 'paid' AND p.id IS NULL
    """,
    "an order with a successful payment is paid": """
        SELECT o.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.status = 'success' AND o.status <> 'paid'
    """,
    "an event has its place in the sequence, without a gap": """
        SELECT c.merchant_id AS id FROM event_counters c
        WHERE c.last_sequence <> (
            SELECT COUNT(*) FROM events e WHERE e.merchant_id = c.merchant_id AND e.sequence IS NOT NULL)
    """,
    "an announced payment has an event of the state it is in": """
        SELECT p.id FROM payments p
        LEFT JOIN events e ON e.payment_id = p.id AND e.event = 'payment.' || p.status
        WHERE e.id IS NULL AND p.is_announced
    """,
}


def complaints() -> dict[str, list[str]]:
    """For each rule that does not hold, the ids (at most twenty) of what breaks it. Changes nothing."""
    found = {}
    for rule, query in RULES.items():
        ids = session().scalars(text(f"{query} LIMIT {MAX_SHOWN}")).all()
        if ids:
            found[rule] = [str(each) for each in ids]
    return found
