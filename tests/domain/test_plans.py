"""Every statement that runs for each payment finds its rows by an index.

A few thousand rows are made, each deed is done once while its statements are
written down, and the database is then asked how it would go about each of them.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from gateway import fill
from gateway.core import db, statements
from gateway.core.config import Config
from gateway.core.db import reading, transaction
from gateway.core.statements import Statement
from gateway.domain import (
    announcing,
    backlog,
    deliveries,
    dispatch,
    events,
    idempotency,
    listing,
    merchants,
    orders,
    payments,
    refunds,
    work,
    workload,
)
from gateway.domain.listing import Wanted
from gateway.models import Delivery, Order, Payment, Refund
from tests.conftest import Person
from tests.scripted import PAID

BIG = {"orders", "payments", "events", "webhook_logs", "ledger_transfers", "idempotency_keys", "refunds"}


@pytest.fixture
def big_shop(merchant: Person) -> Person:
    """The test merchant after six thousand payments, and one that is just pending."""
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    for _ in fill.fill(6000):
        pass
    merchant.pay()
    fill.finish()
    return merchant


class Plans:
    """Asks the engine for its plan of every statement that ran, with the values it ran with."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Any]] = []

    def note(self, _connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if sql.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            self.ran.append((sql, values))

    def scans(self) -> list[str]:
        """The statements that would read a big table from one end to the other."""
        with db.engine().connect() as connection:
            cursor = connection.connection.cursor()
            if not db.is_sqlite():
                # A small table is read whole for good reasons; what counts is that an index would do.
                cursor.execute("SET enable_seqscan = off")
            found = []
            for sql, values in self.ran:
                explain = "EXPLAIN QUERY PLAN " if db.is_sqlite() else "EXPLAIN "
                cursor.execute(explain + sql, values)
                plan = [str(row[-1]) for row in cursor.fetchall()]
                if any(_is_scan(line) for line in plan):
                    found.append("\n".join([sql, *plan]))
            connection.connection.rollback()
            return found


def _is_scan(line: str) -> bool:
    words = line.strip().removeprefix("->").split()
    if words[:2] == ["Seq", "Scan"]:
        return words[3] in BIG
    return words[0] == "SCAN" and words[1] in BIG and "INDEX" not in words


@pytest.fixture
def plans(big_shop: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plans]:
    noted = Plans()
    event.listen(db.engine(), "before_cursor_execute", noted.note)
    name = "run_sqlite" if db.is_sqlite() else "run_postgresql"
    run = getattr(statements, name)

    def run_and_note(connection: Any, calls: Any, **frame: Any) -> Any:
        for statement, values in calls if db.is_sqlite() else statements._in_batches(calls):
            sql = statement.sqlite if db.is_sqlite() else statements._NAME.sub(r"%(\1)s", statement.sql)
            noted.note(None, None, sql, dict(values))
        return run(connection, calls, **frame)

    monkeypatch.setattr(statements, name, run_and_note)
    monkeypatch.setattr(backlog, "ASK_EVERY_S", 0.0)
    yield noted
    event.remove(db.engine(), "before_cursor_execute", noted.note)


def pay(shop: Person) -> None:
    merchants.forget_cached_keys()
    shop.post("/orders", {"amount": 500}, headers={"Idempotency-Key": "plan"})
    shop.pay()


def settle(_: Person) -> None:
    with transaction():
        claims = payments.claim(100)
    assert claims
    with transaction():
        payments.settle([(claim, PAID) for claim in claims])
    with reading():
        work.next_due(Payment)


def settle_at_once(_: Person) -> None:
    with transaction():
        held = payments.hold(100)
        assert held
        payments.settle([(claim, PAID) for claim in held])
    assert backlog.pause_s(False)


def give_back(shop: Person) -> None:
    paid = shop.get("/payments?status=success&limit=1").json["data"][0]["id"]
    with transaction():
        refunds.create(shop.merchant_id, paid, 100, None)
    with transaction():
        refunds.claim(10)
    with transaction():
        refunds.hold(10)
    with reading():
        work.next_due(Refund)


def hand_out(shop: Person) -> None:
    with transaction():
        announcing.announce_new()
        assert events.fan_out()
    with transaction():
        assert dispatch.claim(64, {}, 16)
    with reading():
        dispatch.next_due()
    with transaction():
        deliveries.retry_failed(shop.merchant_id, "plan", "payment.failed")


def look(shop: Person) -> None:
    with reading():
        for model in (Order, Payment, Delivery):
            first = listing.page(model, shop.merchant_id, Wanted(limit=5))
            listing.page(model, shop.merchant_id, Wanted(limit=5, after=first.rows[-1].id))
        listing.page(Payment, shop.merchant_id, Wanted(limit=5, where={"status": "failed"}))
        events.page(shop.merchant_id, 3000, 10)
        deliveries.are_under_way(shop.merchant_id)
        deliveries.count_failed(shop.merchant_id, "payment.failed")
        workload.of(shop.merchant_id)
        workload.flagged(shop.merchant_id)
    shop.get(f"/payments/{first.rows[0].id}")
    orders.find(shop.order()["id"])
    idempotency.find(shop.merchant_id, "plan", "x" * 64)


@pytest.mark.parametrize(
    "deed", [pay, settle, settle_at_once, give_back, hand_out], ids=lambda deed: deed.__name__
)
def test_a_deed_reads_no_big_table_whole(
    big_shop: Person, plans: Plans, wait: Callable[[float], None], deed: Callable[[Person], None]
) -> None:
    wait(2)
    plans.ran.clear()
    deed(big_shop)
    assert plans.ran
    assert plans.scans() == []


@pytest.mark.parametrize(
    "statement",
    [
        *itertools.chain(*work._FINISH.values(), *work._ASK_AGAIN.values()),
        payments._WIN,
        announcing._MARK,
        refunds._RESERVE,
        refunds._APPLY,
    ],
)
def test_a_plan_made_while_there_is_little_looks_by_the_key_alone(
    config: Config, statement: Statement
) -> None:
    with db.engine().connect() as connection:
        cursor = connection.connection.cursor()
        if db.is_sqlite():
            cursor.execute(f"EXPLAIN QUERY PLAN {statement.sqlite}", dict.fromkeys(statement.names))
        else:
            asked = statement.batch or statement
            cursor.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; {asked.prepare}")
            cursor.execute(f"EXPLAIN {asked.execute} ({', '.join(['NULL'] * len(asked.names))})")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        connection.connection.invalidate()
    found = set(re.findall(r"\b(?:pk|ix|uq|sqlite_autoindex)_\w+", plan))
    assert found and all(name.startswith(("pk_", "sqlite_autoindex_")) for name in found), plan


def test_a_look_reads_no_big_table_whole(big_shop: Person, plans: Plans) -> None:
    plans.ran.clear()
    with pytest.MonkeyPatch.context() as patch:
        # Counting is allowed to walk an index; what it may not do is walk the table.
        patch.setattr(listing, "total_of", lambda *_: 0)
        patch.setattr(listing, "_count", lambda *_: 0)
        look(big_shop)
    assert plans.scans() == []


def test_a_scan_is_noticed(big_shop: Person, plans: Plans) -> None:
    with db.engine().connect() as connection:
        connection.execute(text("SELECT * FROM payments WHERE vpa = 'nobody@upi'"))
    assert len(plans.scans()) == 1
