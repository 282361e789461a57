"""Makes a big database: `python3 -m gateway fill` for trying how things go at a million rows.

Each payment comes with its order, its transfer, an event and a delivery, all of
the test merchant's, so the books balance and `verify` has nothing to say. The
database writes the rows by itself, some twenty thousand to a transaction.
"""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select, text

from gateway.core import clock, db
from gateway.core.db import session, transaction
from gateway.core.ids import new_id
from gateway.domain import endpoints
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.models import EventCounter

CHUNK_ROWS = 20_000

_DIALECT = {
    "postgresql": {
        "numbers": "SELECT n FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n",
        "at": "CAST(:start AS timestamptz) + n * interval '1 second'",
        "pad": "lpad(CAST(n AS text), 10, '0')",
        "uuid": "CAST(md5(:run || n) AS uuid)",
    },
    "sqlite": {
        "numbers": "WITH RECURSIVE r(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM r WHERE n < :last)"
        " SELECT n FROM r",
        "at": "strftime('%Y-%m-%d %H:%M:%S.000000', :start, '+' || n || ' seconds')",
        "pad": "printf('%010d', n)",
        "uuid": "printf('%s0000-0000-4000-8000-%012x', :hex_run, n)",
    },
}

# One payment in twenty was declined; amounts go from 100 to 10,099 paise.
_ROWS = (
    """
    INSERT INTO orders (id, merchant_id, amount, currency, status, paid_payment_id, created_at, updated_at)
    SELECT 'order_' || :run || {pad}, :merchant_id, 100 + n % 10000, 'INR',
        CASE WHEN n % 20 = 0 THEN 'attempted' ELSE 'paid' END,
        CASE WHEN n % 20 = 0 THEN NULL ELSE 'pay_' || :run || {pad} END, {at}, {at}
    FROM ({numbers}) AS numbers
    """,
    """
    INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, vpa, error_code,
        captured, amount_refunded, refunds_reserved, attempts, created_at, updated_at)
    SELECT 'pay_' || :run || {pad}, 'order_' || :run || {pad}, :merchant_id, 100 + n % 10000, 'INR', 'upi',
        CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'success' END, 'payer' || n || '@upi',
        CASE WHEN n % 20 = 0 THEN 'PAYMENT_FAILED' END, false, 0, 0, 1, {at}, {at}
    FROM ({numbers}) AS numbers
    """,
    """
    INSERT INTO ledger_transfers (merchant_id, currency, kind, debit_account, credit_account, amount,
        payment_id, refund_id, created_at)
    SELECT :merchant_id, 'INR', 'payment', 'processor_receivable', 'merchant_uncaptured', 100 + n % 10000,
        'pay_' || :run || {pad}, '', {at}
    FROM ({numbers}) AS numbers WHERE n % 20 <> 0
    """,
    """
    INSERT INTO events (id, merchant_id, payment_id, event, data, sequence, created_at)
    SELECT 'evt_' || :run || {pad}, :merchant_id, 'pay_' || :run || {pad},
        CASE WHEN n % 20 = 0 THEN 'payment.failed' ELSE 'payment.success' END,
        '{{"payment":{{"id":"pay_' || :run || {pad} || '"}}}}', :sequence + n, {at}
    FROM ({numbers}) AS numbers
    """,
    """
    INSERT INTO webhook_logs (id, merchant_id, event_id, endpoint_id, event, payload, status, attempts,
        last_attempt_at, response_code, response_body, created_at)
    SELECT {uuid}, :merchant_id, 'evt_' || :run || {pad}, :endpoint_id,
        CASE WHEN n % 20 = 0 THEN 'payment.failed' ELSE 'payment.success' END,
        '{{"data":{{"payment":{{"id":"pay_' || :run || {pad} || '"}}}}}}', 'success', 1, {at}, 200, 'OK', {at}
    FROM ({numbers}) AS numbers
    """,
)
_COUNTER = """
    INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :count)
    ON CONFLICT (merchant_id) DO UPDATE SET last_sequence = event_counters.last_sequence + :count
"""
_BALANCE = """
    INSERT INTO ledger_balances (merchant_id, currency, account, balance)
    VALUES (:merchant_id, 'INR', :account, :change)
    ON CONFLICT (merchant_id, currency, account)
    DO UPDATE SET balance = ledger_balances.balance + excluded.balance
"""


def fill(payments: int) -> Iterator[int]:
    """Make so many payments of the test merchant, and all that belongs to them; yields how many are done."""
    run = new_id("run").removeprefix("run_")[:6]
    start = clock.now() - timedelta(seconds=payments + 60)
    for first in range(1, payments + 1, CHUNK_ROWS):
        last = min(first + CHUNK_ROWS - 1, payments)
        with transaction():
            _fill_chunk(run, start.isoformat(), first, last)
        yield last


def finish() -> None:
    """Let the database look at what it has now, as autovacuum would by and by, so that its plans fit."""
    look = "ANALYZE" if db.is_sqlite() else "VACUUM ANALYZE"
    with db.engine().connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(look))


def _fill_chunk(run: str, start: str, first: int, last: int) -> None:
    snippets = _DIALECT["sqlite" if db.is_sqlite() else "postgresql"]
    sequence = session().scalar(
        select(EventCounter.last_sequence)
        .where(EventCounter.merchant_id == SEEDED_MERCHANT_ID)
        .with_for_update()
    )
    values = {
        "run": run,
        "hex_run": run.encode().hex()[:4],
        "start": start,
        "first": first,
        "last": last,
        "merchant_id": SEEDED_MERCHANT_ID,
        "endpoint_id": endpoints.default(SEEDED_MERCHANT_ID).id,
        "sequence": (sequence or 0) - first + 1,
    }
    session().flush()
    for sql in _ROWS:
        session().execute(text(sql.format(**snippets)), values)
    session().execute(text(_COUNTER), {"merchant_id": SEEDED_MERCHANT_ID, "count": last - first + 1})
    total = sum(100 + n % 10000 for n in range(first, last + 1) if n % 20)
    for account, change in (("merchant_uncaptured", total), ("processor_receivable", -total)):
        session().execute(
            text(_BALANCE), {"merchant_id": SEEDED_MERCHANT_ID, "account": account, "change": change}
        )
