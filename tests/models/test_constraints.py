"""The rules that the database itself holds, asked in plain SQL on both engines."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.core import db
from gateway.core.config import Config
from tests.conftest import RIVAL_ID

MERCHANT = "550e8400-e29b-41d4-a716-446655440000"
NOW = "2026-01-15 10:31:00.000000"
MOST = 9_999_999_999
STAMPS = {"created_at": NOW, "updated_at": NOW}

# A good row of each table; each test says only what is different about its own.
GOOD: dict[str, dict[str, Any]] = {
    "merchants": {
        "id": None,
        "name": "Shop",
        "email": "shop@example.com",
        "is_active": True,
        "requires_checkout_token": False,
        **STAMPS,
    },
    "users": {
        "id": None,
        "merchant_id": MERCHANT,
        "email": "asha@example.com",
        "password_hash": "x",
        "role": "owner",
        "is_active": True,
        **STAMPS,
    },
    "api_keys": {
        "id": None,
        "merchant_id": MERCHANT,
        "key": "key_new",
        "secret_hash": "x",
        "created_at": NOW,
    },
    "orders": {
        "id": "order_new",
        "merchant_id": MERCHANT,
        "amount": 50000,
        "currency": "INR",
        "status": "created",
        "paid_payment_id": None,
        **STAMPS,
    },
    "payments": {
        "id": "pay_new",
        "order_id": "order_1",
        "merchant_id": MERCHANT,
        "amount": 500,
        "currency": "INR",
        "method": "upi",
        "status": "pending",
        "vpa": "asha@upi",
        "card_network": None,
        "card_last4": None,
        "captured": False,
        "amount_refunded": 0,
        "refunds_reserved": 0,
        "due_at": None,
        "attempts": 0,
        **STAMPS,
    },
    "refunds": {
        "id": "rfnd_new",
        "payment_id": "pay_1",
        "merchant_id": MERCHANT,
        "amount": 100,
        "status": "pending",
        "created_at": NOW,
        "processed_at": None,
        "due_at": None,
        "attempts": 0,
    },
    "events": {
        "id": "evt_new",
        "merchant_id": MERCHANT,
        "event": "payment.created",
        "data": "{}",
        "sequence": None,
        "created_at": NOW,
    },
    "webhook_endpoints": {
        "id": "we_new",
        "merchant_id": MERCHANT,
        "is_default": False,
        "is_enabled": True,
        "secret_encrypted": "x",
        **STAMPS,
    },
    "webhook_logs": {
        "id": None,
        "merchant_id": MERCHANT,
        "event_id": "evt_1",
        "endpoint_id": "we_1",
        "event": "payment.created",
        "payload": "{}",
        "status": "pending",
        "attempts": 0,
        "next_retry_at": NOW,
        "created_at": NOW,
    },
    "delivery_attempts": {
        "id": None,
        "delivery_id": "00000000-0000-4000-8000-00000000000d",
        "number": 1,
        "started_at": NOW,
        "outcome": None,
    },
    "idempotency_keys": {
        "merchant_id": MERCHANT,
        "key": "key",
        "fingerprint": "f",
        "status_code": 201,
        "response": "{}",
        "created_at": NOW,
        "expires_at": NOW,
    },
    "event_counters": {"merchant_id": MERCHANT, "last_sequence": 0},
    "ledger_transfers": {
        "merchant_id": MERCHANT,
        "currency": "INR",
        "kind": "payment",
        "debit_account": "processor_receivable",
        "credit_account": "merchant_balance",
        "amount": 500,
        "payment_id": "pay_1",
        "refund_id": "",
        "created_at": NOW,
    },
    "ledger_balances": {"merchant_id": MERCHANT, "currency": "INR", "account": "fees", "balance": -5},
}

SUCCESS = {"status": "success"}
INTENT = {"vpa": None, "upi_link": "upi://pay"}
CARD = {"method": "card", "vpa": None, "card_network": "visa", "card_last4": "1111"}


def insert(table: str, **changes: Any) -> None:
    with db.engine().begin() as connection:
        write(connection, table, **changes)


def write(connection: Connection, table: str, **changes: Any) -> None:
    row = {name: value for name, value in GOOD[table].items() if (name, value) != ("id", None)} | changes
    if "id" in GOOD[table]:
        row.setdefault("id", str(uuid.uuid4()))
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)


def change(table: str, **changes: Any) -> None:
    """Set columns of every row of a table."""
    marks = ", ".join(f"{name} = :{name}" for name in changes)
    with db.engine().begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {marks}"), changes)


def reason(act: Callable[..., None], *arguments: Any, **changes: Any) -> str:
    """The words in which the database refused."""
    with pytest.raises(DBAPIError) as refused:
        act(*arguments, **changes)
    return str(refused.value.orig)


@pytest.fixture
def ledger(config: Config) -> None:
    """An order, a payment of it, an event, an endpoint and a delivery, for the tests to add to."""
    with db.engine().begin() as connection:
        write(connection, "orders", id="order_1")
        write(connection, "payments", id="pay_1")
        write(connection, "events", id="evt_1")
        write(connection, "events", id="evt_2")
        write(connection, "webhook_endpoints", id="we_1")
        write(connection, "webhook_logs", id="00000000-0000-4000-8000-00000000000d")


def verdicts(cases: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What the database says to each row of the cases; nothing is kept of any."""
    said = []
    with db.engine().connect() as connection:
        for table, changes in cases:
            extra = {"event_id": "evt_2"} if table == "webhook_logs" else {}
            try:
                write(connection, table, **(extra | changes))
                said.append("taken")
            except DBAPIError as error:
                said.append(str(error.orig))
            connection.rollback()
    return said


def test_a_good_row_of_each_table_is_taken(ledger: None) -> None:
    assert verdicts([(table, {}) for table in GOOD]) == ["taken"] * len(GOOD)


TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("orders", {"amount": 100}),
    ("orders", {"amount": MOST}),
    ("orders", {"status": "attempted"}),
    ("orders", {"status": "paid", "paid_payment_id": "pay_1"}),
    ("payments", {"amount": 100}),
    ("payments", {"amount": MOST}),
    ("payments", {"status": "failed"}),
    ("payments", CARD),
    ("payments", {"due_at": NOW}),
    ("payments", {"is_announced": False}),
    ("payments", SUCCESS | {"captured": True}),
    ("payments", SUCCESS | {"refunds_reserved": 500}),
    ("payments", SUCCESS | {"refunds_reserved": 500, "amount_refunded": 500}),
    ("payments", SUCCESS | {"refunds_reserved": 300, "amount_refunded": 0}),
    ("refunds", {"amount": 1}),
    ("refunds", {"amount": MOST}),
    ("refunds", {"due_at": NOW}),
    ("refunds", {"status": "processed", "processed_at": NOW}),
    ("refunds", {"status": "failed"}),
    ("delivery_attempts", {"outcome": "success"}),
    ("delivery_attempts", {"outcome": "interrupted"}),
    ("idempotency_keys", {"status_code": 200}),
    ("idempotency_keys", {"status_code": 299}),
]


def test_what_is_just_within_the_rules_is_taken(ledger: None) -> None:
    said = verdicts(TAKEN)
    assert [(case, word) for case, word in zip(TAKEN, said, strict=True) if word != "taken"] == []


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("orders", "amount", {"amount": 99}),
    ("orders", "amount", {"amount": 0}),
    ("orders", "amount", {"amount": -100}),
    ("orders", "amount", {"amount": MOST + 1}),
    ("orders", "status", {"status": "pending"}),
    ("orders", "status", {"status": ""}),
    ("orders", "paid_once", {"status": "paid"}),
    ("orders", "paid_once", {"status": "created", "paid_payment_id": "pay_1"}),
    ("orders", "paid_once", {"status": "attempted", "paid_payment_id": "pay_1"}),
    ("payments", "amount", {"amount": 99}),
    ("payments", "amount", {"amount": MOST + 1}),
    ("payments", "status", {"status": "processing"}),
    ("payments", "status", {"status": "refunded"}),
    ("payments", "instrument", {"vpa": None}),
    ("payments", "instrument", INTENT | {"status": "success"}),
    ("payments", "instrument", CARD | {"upi_link": "upi://pay"}),
    ("payments", "instrument", CARD | INTENT),
    ("payments", "instrument", {"card_last4": "1111"}),
    ("payments", "instrument", CARD | {"vpa": "asha@upi"}),
    ("payments", "instrument", CARD | {"card_last4": None}),
    ("payments", "instrument", CARD | {"card_network": None}),
    ("payments", "last4", CARD | {"card_last4": "111"}),
    ("payments", "last4", CARD | {"card_last4": ""}),
    ("payments", "captured", {"captured": True}),
    ("payments", "captured", {"captured": True, "status": "failed"}),
    ("payments", "refunded", SUCCESS | {"amount_refunded": -1}),
    ("payments", "refunded", SUCCESS | {"amount_refunded": 1}),
    ("payments", "refunded", SUCCESS | {"amount_refunded": 301, "refunds_reserved": 300}),
    ("payments", "reserved", SUCCESS | {"refunds_reserved": 501}),
    ("payments", "refundable", {"refunds_reserved": 1}),
    ("payments", "refundable", {"refunds_reserved": 1, "status": "failed"}),
    ("payments", "due", SUCCESS | {"due_at": NOW}),
    ("payments", "due", {"status": "failed", "due_at": NOW}),
    ("payments", "announced", SUCCESS | {"is_announced": False}),
    ("payments", "announced", {"status": "failed", "is_announced": False}),
    ("refunds", "amount", {"amount": 0}),
    ("refunds", "amount", {"amount": -1}),
    ("refunds", "amount", {"amount": MOST + 1}),
    ("refunds", "status", {"status": "success"}),
    ("refunds", "processed", {"status": "processed"}),
    ("refunds", "processed", {"status": "pending", "processed_at": NOW}),
    ("refunds", "processed", {"status": "failed", "processed_at": NOW}),
    ("refunds", "due", {"status": "failed", "due_at": NOW}),
    ("refunds", "due", {"status": "processed", "processed_at": NOW, "due_at": NOW}),
    ("webhook_logs", "status", {"status": "sent", "next_retry_at": None}),
    ("webhook_logs", "next_retry", {"next_retry_at": None}),
    ("webhook_logs", "next_retry", {"status": "success"}),
    ("webhook_logs", "next_retry", {"status": "failed"}),
    ("webhook_logs", "attempts", {"attempts": -1}),
    ("delivery_attempts", "outcome", {"outcome": "maybe"}),
    ("idempotency_keys", "status_code", {"status_code": 199}),
    ("idempotency_keys", "status_code", {"status_code": 300}),
    ("idempotency_keys", "status_code", {"status_code": 500}),
    ("users", "role", {"role": "admin"}),
    ("ledger_transfers", "amount", {"amount": 0}),
    ("ledger_transfers", "amount", {"amount": -500}),
    ("ledger_transfers", "two_accounts", {"credit_account": "processor_receivable"}),
    ("ledger_transfers", "debit_account", {"debit_account": "pocket"}),
    ("ledger_transfers", "credit_account", {"credit_account": "pocket"}),
    ("ledger_transfers", "kind", {"kind": "gift"}),
    ("ledger_balances", "account", {"account": "pocket"}),
]


@pytest.mark.parametrize("table", sorted({table for table, _, _ in REFUSED}))
def test_what_breaks_a_rule_is_refused_by_that_rule(ledger: None, table: str) -> None:
    cases = [(rule, changes) for of, rule, changes in REFUSED if of == table]
    said = verdicts([(table, changes) for _, changes in cases])
    wrong = [
        (rule, changes, words)
        for (rule, changes), words in zip(cases, said, strict=True)
        if not re.search(rf"\bck_{table}_{rule}\b", words)
    ]
    assert wrong == []


def test_a_method_nobody_knows_is_refused(ledger: None) -> None:
    assert "ck_payments_" in reason(insert, "payments", method="cash")


def test_more_than_the_last_four_of_a_card_do_not_fit(ledger: None) -> None:
    reason(insert, "payments", **(CARD | {"card_last4": "11111"}))
    reason(insert, "payments", **(CARD | {"card_last4": "4111111111111111"}))


@pytest.mark.parametrize(
    ("table", "first", "then", "rule"),
    [
        ("orders", {"status": "paid", "paid_payment_id": "pay_1"}, {"status": "attempted"}, "paid_once"),
        ("orders", {"status": "paid", "paid_payment_id": "pay_1"}, {"paid_payment_id": None}, "paid_once"),
        ("payments", SUCCESS | {"captured": True}, {"status": "failed"}, "captured"),
        ("payments", {"due_at": NOW}, SUCCESS, "due"),
        ("payments", {"is_announced": False}, SUCCESS, "announced"),
        ("payments", SUCCESS | {"refunds_reserved": 400}, {"refunds_reserved": 800}, "reserved"),
        (
            "payments",
            SUCCESS | {"refunds_reserved": 400, "amount_refunded": 400},
            {"refunds_reserved": 399},
            "refunded",
        ),
        ("payments", SUCCESS | {"refunds_reserved": 400}, {"amount": 399}, "reserved"),
        ("webhook_logs", {}, {"status": "success"}, "next_retry"),
        ("webhook_logs", {}, {"next_retry_at": None}, "next_retry"),
    ],
)
def test_a_later_change_is_held_to_the_same_rules(
    ledger: None, table: str, first: dict[str, Any], then: dict[str, Any], rule: str
) -> None:
    if first:
        change(table, **first)
    assert f"ck_{table}_{rule}" in reason(change, table, **then)


def test_two_refunds_that_do_not_fit_together_cannot_both_be_reserved(ledger: None, rows) -> None:
    change("payments", **SUCCESS)
    reserve = "UPDATE payments SET refunds_reserved = refunds_reserved + 400 WHERE id = 'pay_1'"
    with db.engine().begin() as connection:
        connection.execute(text(reserve))
    with pytest.raises(DBAPIError, match="ck_payments_reserved"), db.engine().begin() as connection:
        connection.execute(text(reserve))
    assert rows("SELECT refunds_reserved FROM payments") == [{"refunds_reserved": 400}]


REQUIRED = {
    "merchants": "name email is_active created_at updated_at",
    "api_keys": "merchant_id key secret_hash created_at",
    "orders": "merchant_id amount currency status created_at updated_at",
    "payments": "order_id merchant_id amount currency method status captured amount_refunded refunds_reserved"
    " created_at updated_at",
    "refunds": "payment_id merchant_id amount status created_at",
    "events": "id merchant_id event data created_at",
    "webhook_endpoints": "merchant_id is_default is_enabled secret_encrypted",
    "webhook_logs": "merchant_id event_id endpoint_id event payload status attempts created_at",
    "delivery_attempts": "delivery_id number started_at",
    "idempotency_keys": "merchant_id key fingerprint status_code response created_at expires_at",
    "event_counters": "last_sequence",
    "ledger_transfers": "merchant_id currency kind debit_account credit_account amount payment_id refund_id"
    " created_at",
    "ledger_balances": "balance",
}


def test_what_every_row_must_have_cannot_be_missing(ledger: None) -> None:
    cases = [(table, column) for table, columns in REQUIRED.items() for column in columns.split()]
    said = verdicts([(table, {column: None}) for table, column in cases])
    wrong = [
        (case, words)
        for case, words in zip(cases, said, strict=True)
        if case[1] not in words or not re.search("not.null", words, re.IGNORECASE)
    ]
    assert wrong == []


POINTERS = [
    ("users", "merchant_id"),
    ("api_keys", "merchant_id"),
    ("orders", "merchant_id"),
    ("webhook_endpoints", "merchant_id"),
    ("payments", "order_id"),
    ("refunds", "payment_id"),
    ("webhook_logs", "event_id"),
    ("webhook_logs", "endpoint_id"),
    ("delivery_attempts", "delivery_id"),
    ("ledger_transfers", "payment_id"),
]


def test_nothing_points_at_what_is_not_there(ledger: None) -> None:
    nobody = {"merchant_id": str(uuid.uuid4()), "delivery_id": str(uuid.uuid4())}
    said = verdicts([(table, {column: nobody.get(column, "nobody")}) for table, column in POINTERS])
    assert [
        case for case, words in zip(POINTERS, said, strict=True) if "foreign key" not in words.lower()
    ] == []


def test_what_others_point_at_cannot_go(ledger: None) -> None:
    insert("refunds")
    insert("delivery_attempts")
    for table in ("payments", "orders", "events", "webhook_endpoints", "webhook_logs", "merchants"):
        with pytest.raises(DBAPIError, match=r"(?i)foreign key"), db.engine().begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))


# What may be there once only


@pytest.mark.parametrize(
    ("table", "same", "different"),
    [
        ("merchants", {"email": "test@example.com"}, {"email": "test2@example.com"}),
        ("users", {"email": "test@example.com"}, {"email": "test2@example.com"}),
        ("api_keys", {"key": "key_test_abc123"}, {"key": "key_test_abc124"}),
        ("orders", {"id": "order_1"}, {"id": "order_2"}),
        ("payments", {"id": "pay_1"}, {"id": "pay_2"}),
        ("events", {"id": "evt_1"}, {"id": "evt_3"}),
        ("webhook_logs", {"event_id": "evt_1", "endpoint_id": "we_1"}, None),
    ],
)
def test_what_is_unique_is_taken_once(
    ledger: None, rows, table: str, same: dict[str, Any], different: dict[str, Any] | None
) -> None:
    if table == "users" and not rows("SELECT id FROM users WHERE email = 'test@example.com'"):
        insert("users", email="test@example.com")
    assert "unique" in reason(insert, table, **same).lower()
    if different is not None:
        insert(table, **different)


def test_a_merchant_has_one_default_endpoint_and_many_others(ledger: None, rows) -> None:
    assert len(rows("SELECT id FROM webhook_endpoints WHERE is_default")) == 2  # one of each merchant
    for merchant_id in (MERCHANT, RIVAL_ID):
        words = reason(insert, "webhook_endpoints", merchant_id=merchant_id, is_default=True).lower()
        assert "unique" in words
        insert("webhook_endpoints", id=f"we_{merchant_id[:4]}a", merchant_id=merchant_id)
        insert("webhook_endpoints", id=f"we_{merchant_id[:4]}b", merchant_id=merchant_id)


def test_no_second_endpoint_can_become_the_default(ledger: None) -> None:
    assert "unique" in reason(change, "webhook_endpoints", is_default=True).lower()


def test_a_sequence_number_is_given_once_for_each_merchant(ledger: None) -> None:
    insert("events", id="evt_a", sequence=1)
    insert("events", id="evt_b", sequence=2)
    insert("events", id="evt_c", sequence=1, merchant_id=RIVAL_ID)
    words = reason(insert, "events", id="evt_d", sequence=1).lower()
    assert "unique" in words
    assert "sequence" in words


def test_many_events_may_wait_for_their_number(ledger: None, rows) -> None:
    for name in "abcde":
        insert("events", id=f"evt_{name}")
    positions = [
        row["position"] for row in rows("SELECT position FROM events WHERE sequence IS NULL ORDER BY id")
    ]
    assert len(positions) == 7
    assert positions == sorted(set(positions))


def test_an_idempotency_key_belongs_to_one_merchant(ledger: None, rows) -> None:
    insert("idempotency_keys", response="mine")
    insert("idempotency_keys", response="theirs", merchant_id=RIVAL_ID)
    insert("idempotency_keys", response="another", key="Key")
    assert "unique" in reason(insert, "idempotency_keys", response="again").lower()
    kept = rows("SELECT response FROM idempotency_keys WHERE key = 'key' ORDER BY response")
    assert [row["response"] for row in kept] == ["mine", "theirs"]


def test_an_idempotency_key_may_be_long(ledger: None, rows) -> None:
    insert("idempotency_keys", key="k" * 255)
    assert rows("SELECT length(key) AS n FROM idempotency_keys") == [{"n": 255}]


def test_what_must_come_back_byte_for_byte_does(ledger: None, rows) -> None:
    body = '{"b":1,  "a":2.50,"a":3,"é":"\\u00e9","₹":"🎁","n":1e2}'
    insert("events", id="evt_3", data=body)
    insert("webhook_logs", event_id="evt_3", payload=body)
    insert("idempotency_keys", response=body)
    assert rows("SELECT data AS body FROM events WHERE id = 'evt_3'") == [{"body": body}]
    assert rows("SELECT payload AS body FROM webhook_logs WHERE event_id = 'evt_3'") == [{"body": body}]
    assert rows("SELECT response AS body FROM idempotency_keys") == [{"body": body}]


# The ledger


def test_a_transfer_can_be_neither_changed_nor_taken_back(ledger: None, rows) -> None:
    insert("ledger_transfers")
    for act in ("UPDATE ledger_transfers SET amount = 1", "DELETE FROM ledger_transfers"):
        with pytest.raises(DBAPIError, match="append-only"), db.engine().begin() as connection:
            connection.execute(text(act))
    assert [row["amount"] for row in rows("SELECT amount FROM ledger_transfers")] == [500]


def test_transfers_cannot_be_taken_back_by_another_word(ledger: None, rows) -> None:
    insert("ledger_transfers")
    if db.is_sqlite():
        # A REPLACE deletes what it replaces, and asks no trigger unless told to.
        names = ", ".join(GOOD["ledger_transfers"])
        act = (
            f"INSERT OR REPLACE INTO ledger_transfers (position, {names})"
            f" SELECT position, {names.replace('amount', '1')} FROM ledger_transfers"
        )
    else:
        act = "TRUNCATE ledger_transfers"
    with pytest.raises(DBAPIError, match="append-only"), db.engine().begin() as connection:
        connection.execute(text(act))
    assert [row["amount"] for row in rows("SELECT amount FROM ledger_transfers")] == [500]


def test_a_deed_is_posted_once(ledger: None) -> None:
    insert("ledger_transfers")
    insert("ledger_transfers", kind="capture")
    insert("ledger_transfers", kind="refund_reserved", refund_id="rfnd_1")
    insert("ledger_transfers", kind="refund_reserved", refund_id="rfnd_2")
    assert "unique" in reason(insert, "ledger_transfers", amount=1).lower()
    words = reason(insert, "ledger_transfers", kind="refund_reserved", refund_id="rfnd_2").lower()
    assert "unique" in words


def test_a_deed_is_told_of_once(ledger: None) -> None:
    told = {"payment_id": "pay_1", "event": "refund.created", "refund_id": "rfnd_1"}
    insert("events", id="evt_11", **told)
    insert("events", id="evt_12", **told | {"refund_id": "rfnd_2"})
    insert("events", id="evt_13", **told | {"event": "refund.processed"})
    insert("events", id="evt_14", **told | {"payment_id": "pay_2"})
    assert "unique" in reason(insert, "events", id="evt_15", **told).lower()
    for number in range(2):
        insert("events", id=f"evt_test_{number}", event="webhook.test", payment_id=None)


def test_an_account_has_one_balance_in_each_currency(ledger: None) -> None:
    insert("ledger_balances")
    insert("ledger_balances", currency="USD")
    insert("ledger_balances", account="refunds_paid")
    insert("ledger_balances", merchant_id=RIVAL_ID)
    assert "unique" in reason(insert, "ledger_balances", balance=7).lower()
