"""The shop's books: an SQLite file, so that what was sold and what was heard survive a restart.

Without a file they are in memory and end with the shop, which is what a shop
that somebody starts by hand to look at webhooks wants.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from test_merchant.catalogue import CURRENCY, Line, total

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    buy_key TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    lines TEXT NOT NULL,
    created_at TEXT NOT NULL,
    paid_at TEXT,
    told_by TEXT CHECK (told_by IN ('webhook', 'lookup')),
    payment_id TEXT
);
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS refunds (id TEXT PRIMARY KEY, payment_id TEXT NOT NULL, amount INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parcels (number INTEGER PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders);
"""
# A refund counts where its payment is the one that paid the order: a second payment of a paid order is
# returned by the gateway itself and changes nothing here. So it does not matter which news comes first.
READ_ORDER = """
SELECT id, amount, currency, lines, created_at, paid_at, told_by, payment_id,
    (SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = orders.payment_id) AS refunded,
    (SELECT count(*) FROM parcels WHERE order_id = orders.id) AS parcels
FROM orders
"""


@dataclass(frozen=True, slots=True)
class Order:
    """`amount` and `refunded` in paise; `told_by` names who said that it is paid, webhook or lookup."""

    id: str
    amount: int
    currency: str
    lines: tuple[Line, ...]
    created_at: str
    paid_at: str | None
    told_by: str | None
    payment_id: str | None
    refunded: int
    parcels: int

    @property
    def state(self) -> str:
        if self.paid_at is None:
            return "unpaid"
        if self.refunded == 0:
            return "paid"
        return "refunded" if self.refunded >= self.amount else "partly refunded"


class Books:
    def __init__(self, file: str = "") -> None:
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        # One connection for all threads, one at a time: SQLite has one writer anyway.
        self._db = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(SCHEMA)
        self._lock = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def enter(self, order_id: str, buy_key: str, lines: tuple[Line, ...]) -> Order:
        """Write an order down; one that is there already stays as it is."""
        written = json.dumps([asdict(line) for line in lines])
        self._write(
            "INSERT INTO orders (id, buy_key, amount, currency, lines, created_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *(order_id, buy_key, total(lines), CURRENCY, written, _now()),
        )
        order = self.order(order_id)
        assert order is not None, "one key, one order: the gateway says so"
        return order

    def order(self, order_id: str) -> Order | None:
        return self._read(f"{READ_ORDER} WHERE id = ?", order_id)

    def order_bought_with(self, buy_key: str) -> Order | None:
        return self._read(f"{READ_ORDER} WHERE buy_key = ?", buy_key)

    def is_news(self, event_id: str) -> bool:
        """Whether this event was never here before; from now on it was. Belongs into a transaction."""
        return self._write("INSERT INTO events (id) VALUES (?) ON CONFLICT DO NOTHING", event_id)

    def mark_paid(self, order_id: str, told_by: str, payment_id: str | None = None) -> None:
        """The order is paid; the first time it is said, its parcel is packed. Belongs into a transaction."""
        paid = "UPDATE orders SET paid_at = ?, told_by = ? WHERE id = ? AND paid_at IS NULL"
        if self._write(paid, _now(), told_by, order_id):
            self._write("INSERT INTO parcels (order_id) VALUES (?)", order_id)
        if payment_id:
            self._write("UPDATE orders SET payment_id = ? WHERE id = ?", payment_id, order_id)

    def enter_refund(self, refund_id: str, payment_id: str, amount: int) -> None:
        refund = "INSERT INTO refunds (id, payment_id, amount) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        self._write(refund, refund_id, payment_id, amount)

    def _write(self, statement: str, *values: str | int | None) -> bool:
        """Whether a row was changed."""
        with self._lock:
            return self._db.execute(statement, values).rowcount > 0

    def _read(self, query: str, value: str) -> Order | None:
        with self._lock:
            row = self._db.execute(query, [value]).fetchone()
        if row is None:
            return None
        return Order(**dict(row) | {"lines": tuple(Line(**line) for line in json.loads(row["lines"]))})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
