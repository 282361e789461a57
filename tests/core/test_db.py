"""One unit of work: all of it is committed at its end, or none; on both engines."""

import logging
import sqlite3
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select, text, update

from gateway.core import clock, connections, db, queue
from gateway.core.config import Config
from gateway.core.db import (
    Conflict,
    add,
    fetch_all,
    fetch_one,
    later,
    reading,
    ring,
    session,
    tally,
    transaction,
)
from gateway.core.errors import Busy, Unavailable
from gateway.core.statements import Statement, moment
from gateway.models import AuditLine, Endpoint, EventCounter, IdempotencyKey, Merchant, Order
from gateway.models.base import seconds_from_now

NOW = datetime(2026, 1, 15, 10, 31, 0, 123_456, tzinfo=UTC)
SEEDED = "550e8400-e29b-41d4-a716-446655440000"
ONE, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
UNMISTAKABLE = "tausendschoen-4711"

START = Statement("INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :number)")
TIMES = Statement(
    "UPDATE event_counters SET last_sequence = last_sequence * :by WHERE merchant_id = :merchant_id"
)
PLUS = Statement(
    "UPDATE event_counters SET last_sequence = last_sequence + :by WHERE merchant_id = :merchant_id"
)
FORGET = Statement("DELETE FROM event_counters WHERE merchant_id = :merchant_id")
READ = Statement("SELECT last_sequence FROM event_counters WHERE merchant_id = :merchant_id")

Rows = Callable[..., list[dict[str, Any]]]


def line(subject: str | None = None, created_at: datetime = NOW) -> AuditLine:
    return AuditLine(
        id=str(uuid.uuid4()), merchant_id=ONE, actor="a", act="tested", subject=subject, created_at=created_at
    )


def counter(number: int = 1, merchant_id: str = ONE) -> EventCounter:
    return EventCounter(merchant_id=merchant_id, last_sequence=number)


def key(merchant_id: str = ONE, name: str = "key", response: str = "{}") -> IdempotencyKey:
    return IdempotencyKey(
        merchant_id=merchant_id,
        key=name,
        fingerprint="f",
        status_code=201,
        response=response,
        created_at=NOW,
        expires_at=NOW,
    )


def only_on_postgres() -> None:
    if db.is_sqlite():
        pytest.skip("SQLite has no connections that somebody else could close")


def only_on_sqlite() -> None:
    if not db.is_sqlite():
        pytest.skip("PostgreSQL keeps moments as moments, and locks rows")


# What is gathered, and in which order it is sent


def test_statements_run_in_the_order_in_which_they_were_asked_for(config: Config) -> None:
    with transaction():
        later(START, merchant_id=ONE, number=1)
        later(TIMES, merchant_id=ONE, by=10)
        later(PLUS, merchant_id=ONE, by=5)
        later(TIMES, merchant_id=ONE, by=2)
    assert fetch_one(READ, merchant_id=ONE) == (30,)


def test_added_rows_and_statements_keep_their_order(config: Config) -> None:
    with transaction():
        add(counter(3))
        later(FORGET, merchant_id=ONE)
        add(counter(4))
        later(PLUS, merchant_id=ONE, by=1)
    assert fetch_one(READ, merchant_id=ONE) == (5,)


def test_the_session_writes_first_and_what_was_put_off_follows(config: Config) -> None:
    with transaction():
        later(TIMES, merchant_id=ONE, by=10)
        add(counter(1, OTHER))
        session().add(counter(7))
        session().execute(insert(AuditLine).values(vars_of(line("from the session"))))
        later(PLUS, merchant_id=OTHER, by=1)
        add(line("added"))
    assert fetch_one(READ, merchant_id=ONE) == (70,)
    assert fetch_one(READ, merchant_id=OTHER) == (2,)


def test_the_session_writes_first_also_when_it_is_used_last(config: Config) -> None:
    with transaction():
        later(TIMES, merchant_id=ONE, by=10)
        session().add(counter(7))
    assert fetch_one(READ, merchant_id=ONE) == (70,)


def vars_of(row: AuditLine) -> dict[str, Any]:
    return {name: getattr(row, name) for name in AuditLine.__table__.columns.keys()}  # noqa: SIM118


def test_what_was_put_off_is_not_there_before_the_end(config: Config) -> None:
    with transaction():
        add(counter())
        later(START, merchant_id=OTHER, number=1)
        assert session().scalars(select(EventCounter)).all() == []
        assert fetch_one(READ, merchant_id=ONE) is None
    assert fetch_one(READ, merchant_id=ONE) == fetch_one(READ, merchant_id=OTHER) == (1,)


ADD = Statement(
    "INSERT INTO event_counters (merchant_id, last_sequence) VALUES (:merchant_id, :change)"
    " ON CONFLICT (merchant_id) DO UPDATE SET last_sequence = event_counters.last_sequence + :change"
)


def test_tallies_are_summed_for_each_key_and_written_once(config: Config) -> None:
    with transaction():
        tally(ADD, 5, merchant_id=ONE)
        tally(ADD, 7, merchant_id=OTHER)
        tally(ADD, -2, merchant_id=ONE)
    assert fetch_one(READ, merchant_id=ONE) == (3,)
    assert fetch_one(READ, merchant_id=OTHER) == (7,)
    with transaction():
        tally(ADD, 1, merchant_id=ONE)
    assert fetch_one(READ, merchant_id=ONE) == (4,)


def test_tallies_are_written_last(config: Config) -> None:
    with transaction():
        tally(ADD, 5, merchant_id=ONE)
        later(START, merchant_id=ONE, number=1)
        session().add(line())
        later(TIMES, merchant_id=ONE, by=10)
    assert fetch_one(READ, merchant_id=ONE) == (15,)


def test_tallies_of_a_unit_that_fails_are_not_written(config: Config, rows: Rows) -> None:
    with untouched(rows), pytest.raises(ZeroDivisionError), transaction():
        tally(ADD, 5, merchant_id=ONE)
        _ = 1 / 0
    with untouched(rows), pytest.raises(Conflict), transaction():
        tally(ADD, 5, merchant_id=OTHER)
        later(START, merchant_id=ONE, number=1)
        later(START, merchant_id=ONE, number=1)


def test_units_that_tally_in_another_order_do_not_wait_for_each_other(config: Config) -> None:
    keys = [ONE, OTHER]

    def work(order: list[str]) -> None:
        for _ in range(25):
            with transaction():
                for merchant_id in order:
                    tally(ADD, 1, merchant_id=merchant_id)

    with elsewhere(lambda: work(keys)), elsewhere(lambda: work(keys[::-1])), elsewhere(lambda: work(keys)):
        work(keys[::-1])
    assert fetch_one(READ, merchant_id=ONE) == fetch_one(READ, merchant_id=OTHER) == (100,)


def test_an_empty_unit_of_work_does_nothing(config: Config) -> None:
    with transaction():
        pass
    with reading():
        pass


def test_a_row_is_whole_before_the_database_has_seen_it(config: Config) -> None:
    with transaction():
        row = Merchant(id=ONE, name="Shop", email="shop@example.com", created_at=NOW, updated_at=NOW)
        add(row)
        assert row.is_active is True
    assert row.email == "shop@example.com"
    with reading():
        assert session().get(Merchant, ONE).is_active is True


def test_a_loaded_row_can_be_read_after_its_unit_of_work(config: Config) -> None:
    with transaction():
        merchant = session().get(Merchant, SEEDED)
    assert merchant.email == "test@example.com"


def test_values_of_every_kind_arrive_as_they_were_given(config: Config, rows: Rows) -> None:
    notes = {
        "quote": "'; DROP TABLE orders; --",
        "mark": "100 % (%s) :name $1 \\ \n",
        "hindi": "मीरा 🎁",
        "": "",
    }
    with transaction():
        add(
            Merchant(
                id=ONE, name="O'Neill \\", email=":email", is_active=False, created_at=NOW, updated_at=NOW
            )
        )
        for at, kept in enumerate((notes, None)):
            add(
                Order(
                    id=f"order_{at:016}",
                    merchant_id=ONE,
                    amount=9_999_999_999,
                    currency="INR",
                    receipt="₹'\"",
                    notes=kept,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
    with reading():
        merchant = session().get(Merchant, ONE)
        assert (merchant.name, merchant.email, merchant.is_active) == ("O'Neill \\", ":email", False)
        order = session().get(Order, f"order_{0:016}")
        assert (order.notes, order.receipt, order.amount) == (notes, "₹'\"", 9_999_999_999)
    assert rows("SELECT id FROM orders WHERE notes IS NULL") == [{"id": f"order_{1:016}"}]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_comes_back_byte_for_byte(config: Config, given_text: str) -> None:
    find = _FIND
    added, put_off = str(uuid.uuid4()), str(uuid.uuid4())
    with transaction():
        row = line(given_text)
        row.id = added
        add(row)
        later(_WRITE, id=put_off, merchant_id=ONE, subject=given_text, created_at=NOW)
    assert fetch_one(find, id=added) == fetch_one(find, id=put_off) == (given_text,)


_FIND = Statement("SELECT subject FROM audit_log WHERE id = :id")
_WRITE = Statement(
    "INSERT INTO audit_log (id, merchant_id, actor, act, subject, created_at)"
    " VALUES (:id, :merchant_id, 'a', 'tested', :subject, :created_at)"
)


def test_a_prepared_select_gives_plain_values_or_none(config: Config) -> None:
    by_id = Statement("SELECT id, name, is_active FROM merchants WHERE id = :id")
    found = fetch_one(by_id, id=SEEDED)
    assert found == (SEEDED, "Test Merchant", True)
    assert [type(value) for value in found[:2]] == [str, str]
    assert fetch_one(by_id, id=ONE) is None


def test_a_prepared_select_sees_only_what_is_committed(config: Config) -> None:
    with transaction():
        session().add(counter())
        session().flush()
        assert fetch_one(READ, merchant_id=ONE) is None
    assert fetch_one(READ, merchant_id=ONE) == (1,)


# All of it or none


@contextmanager
def untouched(rows: Rows) -> Iterator[None]:
    """Nothing that the block did may be in the database after it."""
    tables = ("audit_log", "event_counters", "idempotency_keys", "merchants")
    before = {table: rows(f"SELECT * FROM {table}") for table in tables}
    yield
    assert {table: rows(f"SELECT * FROM {table}") for table in tables} == before


@pytest.mark.parametrize("with_session", [False, True], ids=["alone", "with_session"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_one_failing_statement_undoes_everything(
    config: Config, rows: Rows, place: int, with_session: bool
) -> None:
    with transaction():
        add(counter())
    calls = [
        lambda: add(line()),
        lambda: later(START, merchant_id=OTHER, number=1),
        lambda: add(key()),
    ]
    calls.insert(place, lambda: later(START, merchant_id=ONE, number=1))
    with untouched(rows), pytest.raises(Conflict), transaction():
        if with_session:
            session().add(line("of the session"))
            session().execute(update(Merchant).values(name="changed"))
        for call in calls:
            call()
    # And the statements, prepared inside what failed, still run.
    with transaction():
        later(START, merchant_id=OTHER, number=8)
        add(key())
    assert fetch_one(READ, merchant_id=OTHER) == (8,)


def test_an_exception_in_the_block_undoes_everything(config: Config, rows: Rows) -> None:
    with untouched(rows), pytest.raises(ZeroDivisionError), transaction():
        add(counter())
        later(START, merchant_id=OTHER, number=1)
        session().add(line())
        session().flush()
        _ = 1 / 0


def test_a_refusal_of_the_database_inside_the_block_undoes_everything(config: Config, rows: Rows) -> None:
    with untouched(rows), pytest.raises(Conflict), transaction():
        add(counter())
        session().add(line())
        email = "test@example.com"
        session().add(Merchant(id=ONE, name="x", email=email, created_at=NOW, updated_at=NOW))
        session().flush()
        pytest.fail("the database took a second merchant with one e-mail address")


def test_a_missing_value_fails_before_anything_is_written(config: Config, rows: Rows) -> None:
    with untouched(rows), pytest.raises((KeyError, db.StatementFailed)), transaction():
        later(START, merchant_id=OTHER, number=1)
        later(START, merchant_id=ONE)


@pytest.mark.parametrize(
    ("table", "make"),
    [
        (
            "merchants",
            lambda: Merchant(id=ONE, name="x", email="test@example.com", created_at=NOW, updated_at=NOW),
        ),
        ("event_counters", lambda: counter(5)),
        ("idempotency_keys", lambda: key()),
        (
            "webhook_endpoints",
            lambda: Endpoint(
                id="we_0123456789abcdef",
                merchant_id=SEEDED,
                is_default=True,
                secret_encrypted="x",
                created_at=NOW,
                updated_at=NOW,
            ),
        ),
    ],
)
@pytest.mark.parametrize("how", ["add", "session", "both"])
def test_a_conflict_names_its_table(config: Config, table: str, make: Callable[[], Any], how: str) -> None:
    with transaction():
        add(counter())
        add(key())
    with pytest.raises(Conflict) as conflict, transaction():
        if how == "both":
            session().add(line())
        (session().add if how == "session" else add)(make())
    assert conflict.value.table == table


def test_another_constraint_is_no_conflict(config: Config, rows: Rows) -> None:
    """A CHECK or a foreign key that speaks up is our own mistake, and stays an exception of its own."""
    for amount, merchant_id in ((99, SEEDED), (100, ONE)):
        order = Order(
            id="order_0123456789abcdef",
            merchant_id=merchant_id,
            amount=amount,
            currency="INR",
            created_at=NOW,
            updated_at=NOW,
        )
        with pytest.raises(Exception) as raised, transaction():
            add(order)
        assert not isinstance(raised.value, (Conflict, Unavailable))
    assert rows("SELECT * FROM orders") == []


# Ringing


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(queue, "ring", heard.append)
    return heard


def test_each_queue_is_rung_once_after_the_commit(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, Any]] = []
    monkeypatch.setattr(queue, "ring", lambda name: heard.append((name, fetch_one(READ, merchant_id=ONE))))
    with transaction():
        ring("payments")
        ring("webhooks")
        ring("payments")
        add(counter())
        assert heard == []
    assert sorted(heard) == [("payments", (1,)), ("webhooks", (1,))]


def test_nothing_is_rung_when_the_block_fails(config: Config, rung: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), transaction():
        ring("payments")
        _ = 1 / 0
    assert rung == []


def test_nothing_is_rung_when_the_commit_fails(config: Config, rung: list[str]) -> None:
    for with_session in (False, True):
        with pytest.raises(Conflict), transaction():
            ring("payments")
            if with_session:
                session().add(line())
            later(START, merchant_id=ONE, number=1)
            later(START, merchant_id=ONE, number=2)
    assert rung == []


# Units of work


def test_units_of_work_do_not_nest(config: Config) -> None:
    with transaction():
        add(counter())
        for another in (transaction, reading):
            with pytest.raises(AssertionError, match="do not nest"), another():
                pytest.fail("a unit of work began inside another one")
        later(PLUS, merchant_id=ONE, by=1)
    assert fetch_one(READ, merchant_id=ONE) == (2,)
    with reading(), pytest.raises(AssertionError, match="do not nest"), transaction():
        pytest.fail("a transaction began inside a reading")


def test_outside_a_unit_of_work_there_is_nothing_to_ask(config: Config) -> None:
    for ask in (
        session,
        lambda: add(line()),
        lambda: later(FORGET, merchant_id=ONE),
        lambda: ring("payments"),
    ):
        with pytest.raises(AssertionError, match="no transaction"):
            ask()


def test_a_failed_unit_of_work_leaves_room_for_the_next(config: Config) -> None:
    for _ in range(40):  # more often than there are connections
        with pytest.raises(ZeroDivisionError), transaction():
            session().add(counter())
            session().flush()
            _ = 1 / 0
        with pytest.raises(Conflict), transaction():
            add(counter())
            add(counter())
    with transaction():
        add(counter())
    assert fetch_one(READ, merchant_id=ONE) == (1,)


def test_each_thread_has_its_own_unit_of_work(config: Config) -> None:
    with transaction():
        add(counter(1))
        with elsewhere(lambda: write(counter(2, OTHER))):
            pass
        assert fetch_one(READ, merchant_id=OTHER) == (2,)
        assert fetch_one(READ, merchant_id=ONE) is None


def write(row: Any) -> None:
    with transaction():
        add(row)


@contextmanager
def elsewhere(act: Callable[[], Any]) -> Iterator[None]:
    """Another thread does `act` while the block runs; what it raises is raised here."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def test_no_update_is_lost_when_many_write_at_once(config: Config) -> None:
    """Reading first and writing then, sixteen threads at a time: neither lost updates nor lock errors."""
    write(counter(0))

    def step(times: int = 8) -> None:
        for _ in range(times):
            with transaction():
                row = session().get(EventCounter, ONE, with_for_update=True)
                row.last_sequence += 1
            with transaction():
                later(PLUS, merchant_id=ONE, by=1)

    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            step()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert raised == []
    assert fetch_one(READ, merchant_id=ONE) == (16 * 8 * 2,)


@pytest.mark.parametrize("with_kills", [False, True], ids=["in_peace", "with_kills"])
def test_among_many_that_commit_together_each_hears_the_truth_about_its_own(
    config: Config, rows: Rows, with_kills: bool
) -> None:
    """Half of them want a name that another one wants, too, and a quarter belong to no merchant."""
    if with_kills:
        only_on_postgres()
    heard: dict[str, BaseException | None] = {}

    def attempt(unit: str, name: str, merchant_id: str) -> None:
        try:
            with transaction():
                add(line(unit))
                add(key(name=name))
                owned = {"id": f"we_{unit}", "merchant_id": merchant_id, "is_default": False}
                add(Endpoint(**owned, secret_encrypted="", created_at=NOW, updated_at=NOW))
                tally(ADD, 1, merchant_id=OTHER)
            heard[unit] = None
        except (Conflict, db.StatementFailed, Unavailable) as error:
            heard[unit] = error

    def many(number: int) -> None:
        for turn in range(20):
            rank = number // 2 if number < 8 else number
            merchant_id = ONE if number % 4 == 3 else SEEDED
            attempt(f"{number}x{turn}", f"{rank}x{turn}", merchant_id)

    write(counter(0, OTHER))
    threads = [threading.Thread(target=many, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    while with_kills and any(thread.is_alive() for thread in threads):
        kill_idle_connections(config)
    for thread in threads:
        thread.join(30)
    db.engine().dispose()  # the one killed last may not have heard of it yet
    assert len(heard) == 16 * 20
    written = {row["subject"] for row in rows("SELECT subject FROM audit_log")}
    told = {unit for unit, error in heard.items() if error is None}
    unsure = {unit for unit, error in heard.items() if isinstance(error, Unavailable)}
    assert told <= written <= told | unsure
    assert with_kills or not unsure
    assert len(rows("SELECT key FROM idempotency_keys")) == len(written)
    assert fetch_one(READ, merchant_id=OTHER) == (len(written),)
    if not with_kills:
        assert len(written) == 4 * 20 + 6 * 20


def test_readers_do_not_wait_for_a_writer(config: Config) -> None:
    write(counter(1))
    holding, looked = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction():
            session().get(EventCounter, ONE).last_sequence = 2
            session().flush()
            holding.set()
            assert looked.wait(10), "the reader waited for the writer"

    with elsewhere(hold):
        assert holding.wait(5)
        with reading():
            assert session().get(EventCounter, ONE).last_sequence == 1
        assert fetch_one(READ, merchant_id=ONE) == (1,)
        looked.set()
    assert fetch_one(READ, merchant_id=ONE) == (2,)


def test_nobody_writes_between_what_a_writer_saw_and_what_it_writes(config: Config) -> None:
    """On SQLite a plain BEGIN fails to write when another process wrote after its first read."""
    only_on_sqlite()
    write(counter(1))
    stranger = sqlite3.connect(
        config.database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=0
    )
    with transaction():
        row = session().get(EventCounter, ONE)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stranger.execute("UPDATE event_counters SET last_sequence = 99")
        row.last_sequence += 1
    stranger.execute("UPDATE event_counters SET last_sequence = last_sequence * 10")
    stranger.close()
    assert fetch_one(READ, merchant_id=ONE) == (20,)


def test_a_writer_does_not_wait_for_readers(config: Config) -> None:
    write(counter(1))
    with reading():
        assert session().get(EventCounter, ONE).last_sequence == 1
        with elsewhere(lambda: write(counter(9, OTHER))):
            pass
        with elsewhere(lambda: plus(1)):
            pass
    assert fetch_one(READ, merchant_id=ONE) == (2,)


def plus(by: int) -> None:
    with transaction():
        later(PLUS, merchant_id=ONE, by=by)


# Times

INDIA = timezone(timedelta(hours=5, minutes=30))
MOMENTS = [
    NOW,
    NOW.replace(microsecond=0),
    NOW.replace(microsecond=1),
    NOW.replace(microsecond=999_999),
    NOW.replace(microsecond=100_000),
    NOW.astimezone(INDIA),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 0, tzinfo=timezone(-timedelta(hours=11))),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(999, 12, 31, 23, 59, 59, tzinfo=UTC),  # as somebody may ask for
]


@pytest.mark.parametrize("how", ["add", "session", "later"])
def test_times_come_back_in_utc_and_equal_to_the_microsecond(config: Config, how: str) -> None:
    find = _FIND_TIME
    for given_at in MOMENTS:
        row = line(created_at=given_at)
        row_id = row.id
        with transaction():
            if how == "add":
                add(row)
            elif how == "session":
                session().add(row)
            else:
                later(_WRITE, id=row_id, merchant_id=ONE, subject=None, created_at=given_at)
        raw = fetch_one(find, id=row_id, moment=given_at)
        assert raw is not None, "a moment is not equal to itself in a WHERE"
        with reading():
            loaded = session().get(AuditLine, row_id).created_at
        for read in (loaded, moment(raw[0])):
            assert read == given_at
            assert read.utcoffset() == timedelta()


_FIND_TIME = Statement("SELECT created_at FROM audit_log WHERE id = :id AND created_at = :moment")


def test_a_time_that_is_not_there_is_none(config: Config) -> None:
    with reading():
        assert (
            session().scalar(text("SELECT last_used_at FROM api_keys WHERE key = 'key_test_abc123'")) is None
        )


def test_the_text_that_sqlite_keeps_sorts_as_time_does(config: Config, rows: Rows) -> None:
    only_on_sqlite()
    now = clock.now()
    moments = sorted(
        [*MOMENTS, *(now + timedelta(milliseconds=ms, microseconds=ms * 7) for ms in range(-9, 9))]
    )
    for at, given_at in enumerate(reversed(moments)):
        with transaction():
            if at % 3 == 0:
                add(line(created_at=given_at))
            elif at % 3 == 1:
                session().add(line(created_at=given_at))
            else:
                later(_WRITE, id=str(uuid.uuid4()), merchant_id=ONE, subject=None, created_at=given_at)
    kept = [row["created_at"] for row in rows("SELECT created_at FROM audit_log ORDER BY created_at")]
    assert [moment(raw) for raw in kept] == moments
    assert {len(raw) for raw in kept} == {26}


def test_the_databases_own_clock_writes_the_same_form(config: Config, rows: Rows) -> None:
    for ahead in (-3600, 0, 15):
        with transaction():
            session().add(line(str(ahead)))
            session().flush()
            session().execute(update(AuditLine).values(created_at=seconds_from_now(ahead)))
            until = session().scalar(select(AuditLine.created_at))
            assert abs(until - datetime.now(UTC) - timedelta(seconds=ahead)) < timedelta(seconds=2)
            assert session().scalar(select(AuditLine.id).where(AuditLine.created_at > NOW.replace(year=2020)))
        if db.is_sqlite():
            assert len(rows("SELECT created_at FROM audit_log")[0]["created_at"]) == 26
        with transaction():
            session().execute(text("DELETE FROM audit_log"))


# A database that is away, or busy


def kill_idle_connections(config: Config) -> int:
    """End every connection the gateway has open, as a restart of the database would."""
    admin = create_engine(config.database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        killed = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'gateway'"
            )
        ).scalar_one()
    admin.dispose()
    return int(killed)


def open_idle_connections(number: int) -> None:
    """Have so many connections in the pool that know the statements."""
    together = threading.Barrier(number)

    def use() -> None:
        with reading():
            session().execute(text("SELECT 1"))
            together.wait(10)
        fetch_one(READ, merchant_id=ONE)

    threads = [threading.Thread(target=use) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_a_prepared_select_survives_the_death_of_every_idle_connection(config: Config) -> None:
    only_on_postgres()
    write(counter(3))
    open_idle_connections(4)
    assert kill_idle_connections(config) >= 4
    for _ in range(6):
        assert fetch_one(READ, merchant_id=ONE) == (3,)


@pytest.mark.parametrize("with_session", [False, True], ids=["alone", "with_session"])
def test_a_write_over_a_dead_connection_is_done_once_or_refused_undone(
    config: Config, with_session: bool, rows: Rows
) -> None:
    only_on_postgres()
    open_idle_connections(4)
    assert kill_idle_connections(config) >= 4

    def attempt() -> None:
        with transaction():
            if with_session:
                session().add(line())
            add(counter())

    try:
        attempt()
    except Unavailable as refusal:
        assert (refusal.status, refusal.retry_after) == (503, 1)
        assert fetch_one(READ, merchant_id=ONE) is None
        attempt()  # one lost connection is rarely alone; the next one is fresh all the same
    assert fetch_one(READ, merchant_id=ONE) == (1,)
    assert len(rows("SELECT id FROM audit_log")) == with_session


def test_a_database_that_is_away_is_unavailable_and_its_password_stays_secret(
    config: Config, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    only_on_postgres()
    db.connect(Config(database_url=f"postgresql+psycopg2://u:{UNMISTAKABLE}@127.0.0.1:{free_port}/d"))
    with caplog.at_level(logging.DEBUG):
        for ask in (
            lambda: fetch_one(READ, merchant_id=ONE),
            lambda: write(counter()),
            lambda: plus(1),
            look,
        ):
            with pytest.raises(Unavailable) as refusal:
                ask()
            assert refusal.value.status == 503
            assert str(free_port) not in refusal.value.description
            assert UNMISTAKABLE not in told(refusal.value)
    assert "database: OperationalError" in caplog.text
    assert UNMISTAKABLE not in caplog.text


def look() -> None:
    with reading():
        session().execute(text("SELECT 1"))


def test_a_connection_that_dies_half_way_undoes_the_unit_and_rings_nobody(
    config: Config, rung: list[str], rows: Rows
) -> None:
    only_on_postgres()
    with untouched(rows):
        with pytest.raises(Unavailable), transaction():
            ring("payments")
            session().add(line())
            session().flush()
            assert kill_idle_connections(config) >= 1
            add(counter())
        assert rung == []
    plus(1)


@contextmanager
def somebody_holding_the_row(config: Config) -> Iterator[None]:
    """A stranger's transaction has written to the counter and does not end."""
    if db.is_sqlite():
        stranger: Any = sqlite3.connect(config.database_url.removeprefix("sqlite:///"), isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            stranger.close()
    else:
        # The stranger lets go in the end, so that a gateway that waits for ever fails and does not hang.
        patience = {"options": "-c idle_in_transaction_session_timeout=6000"}
        engine = create_engine(config.database_url, connect_args=patience)
        with engine.connect() as connection:
            connection.execute(text("UPDATE event_counters SET last_sequence = 99"))
            yield
        engine.dispose()


@pytest.fixture
def impatient(config: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A gateway that waits for a lock only a moment."""
    assert connections.LOCK_TIMEOUT_MS == 2000
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_MS", 120)
    monkeypatch.setattr(connections, "_SQLITE_BUSY_TIMEOUT_MS", 120)
    db.connect(config)
    write(counter(1))
    return config


def session_plus() -> None:
    with transaction():
        session().execute(update(EventCounter).values(last_sequence=EventCounter.last_sequence + 1))


PLUS_NOW = Statement("UPDATE event_counters SET last_sequence = last_sequence + 1 RETURNING last_sequence")


def fetching_plus() -> None:
    with transaction():
        fetch_all(PLUS_NOW)


@pytest.mark.parametrize(
    "ask", [lambda: plus(1), session_plus, fetching_plus], ids=["later", "session", "fetch_all"]
)
def test_a_lock_that_is_held_for_too_long_makes_it_busy(impatient: Config, ask: Callable[[], None]) -> None:
    with somebody_holding_the_row(impatient), pytest.raises(Busy) as busy:
        ask()
    assert (busy.value.status, busy.value.code, busy.value.retry_after) == (503, "SERVER_ERROR", 1)
    assert fetch_one(READ, merchant_id=ONE) == (1,)
    ask()
    assert fetch_one(READ, merchant_id=ONE) == (2,)


STUFF = Statement(
    "INSERT INTO audit_log (id, merchant_id, actor, act, subject, created_at)"
    " VALUES (:id, :id, 'a', 'tested', :subject, '2026-01-15 10:31:00.000000')"
)
MUCH = "x" * 200_000


def stuff_later() -> None:
    with transaction():
        later(STUFF, id=ONE, subject=MUCH)


def stuff_now() -> None:
    with transaction():
        fetch_all(STUFF, id=ONE, subject=MUCH)


@pytest.mark.parametrize("stuff", [stuff_later, stuff_now], ids=["later", "fetch_all"])
def test_a_disk_that_was_full_once_troubles_nobody_later(config: Config, stuff: Callable[[], None]) -> None:
    only_on_sqlite()
    write(counter())
    connection = connections.raw().take()
    connection.execute("VACUUM")  # what earlier tests have freed would be room enough
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    connections.raw().give_back(connection)
    with pytest.raises(Unavailable):
        stuff()
    assert fetch_one(READ, merchant_id=ONE) == (1,)
    plus(1)
    assert fetch_one(READ, merchant_id=ONE) == (2,)


def test_looking_is_never_busy(impatient: Config) -> None:
    with somebody_holding_the_row(impatient):
        look()
        assert fetch_one(READ, merchant_id=ONE) == (1,)


def test_a_writer_of_this_very_process_can_be_too_slow_for_another(impatient: Config) -> None:
    holding, refused = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction():
            session().execute(update(EventCounter).values(last_sequence=50))
            holding.set()
            assert refused.wait(10)

    with elsewhere(hold):
        assert holding.wait(5)
        for ask in (lambda: plus(1), session_plus):
            with pytest.raises(Busy):
                ask()
        refused.set()
    plus(1)
    assert fetch_one(READ, merchant_id=ONE) == (51,)


# What errors tell


def told(error: BaseException) -> str:
    """All that a log would show of an exception, causes included."""
    return "".join(traceback.format_exception(error))


def unmistakable_rows() -> dict[str, Callable[[], Any]]:
    """Rows that the database refuses, each holding a value that no log may show."""
    return {
        "unique": lambda: Merchant(id=SEEDED, name=UNMISTAKABLE, email="new", created_at=NOW, updated_at=NOW),
        "unique value": lambda: key(name=UNMISTAKABLE, response=UNMISTAKABLE),
        "check": lambda: Order(
            id="order_0123456789abcdef",
            merchant_id=SEEDED,
            amount=1,
            currency="INR",
            receipt=UNMISTAKABLE,
            created_at=NOW,
            updated_at=NOW,
        ),
        "not null": lambda: Merchant(id=ONE, name=UNMISTAKABLE, email=None, created_at=NOW, updated_at=NOW),
        "foreign key": lambda: Order(
            id="order_0123456789abcdef",
            merchant_id=ONE,
            amount=100,
            currency="INR",
            receipt=UNMISTAKABLE,
            created_at=NOW,
            updated_at=NOW,
        ),
    }


@pytest.mark.parametrize("broken", sorted(unmistakable_rows()))
@pytest.mark.parametrize("how", ["add", "session"])
def test_no_error_tells_what_was_being_written(
    config: Config, caplog: pytest.LogCaptureFixture, how: str, broken: str
) -> None:
    write(key(name=UNMISTAKABLE, response=UNMISTAKABLE))
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception) as raised, transaction():
        (add if how == "add" else session().add)(unmistakable_rows()[broken]())
    assert not isinstance(raised.value, Unavailable)
    assert UNMISTAKABLE not in told(raised.value)
    assert UNMISTAKABLE not in caplog.text


def test_an_error_of_a_statement_does_not_tell_its_values(config: Config) -> None:
    for wrong in (
        lambda: fetch_one(Statement("SELECT nothing FROM merchants WHERE name = :name"), name=UNMISTAKABLE),
        lambda: session_execute("SELECT nothing FROM merchants WHERE name = :name", name=UNMISTAKABLE),
        lambda: engine_execute("SELECT nothing FROM merchants WHERE name = :name", name=UNMISTAKABLE),
    ):
        with pytest.raises(Exception) as raised:
            wrong()
        assert UNMISTAKABLE not in told(raised.value)


def engine_execute(sql: str, **values: Any) -> None:
    with db.engine().connect() as connection:
        connection.execute(text(sql), values)


def test_a_statement_that_makes_no_sense_is_not_taken_for_a_database_that_is_away(config: Config) -> None:
    """Else a worker would wait for ever, patiently, for a table that nobody will make."""
    for sql in ("SELECT nothing FROM merchants", "SELECT 1 FROM nowhere", "SELEKT 1"):
        for wrong in (lambda sql=sql: fetch_one(Statement(sql)), lambda sql=sql: session_execute(sql)):
            with pytest.raises(Exception) as raised:
                wrong()
            assert not isinstance(raised.value, Unavailable), sql


def session_execute(sql: str, **values: Any) -> None:
    with reading():
        session().execute(text(sql), values)


@pytest.mark.parametrize("words", ["the door is locked", "database is locked"])
def test_a_value_that_says_locked_is_not_taken_for_a_lock(config: Config, words: str) -> None:
    order = Order(
        id="order_0123456789abcdef",
        merchant_id=SEEDED,
        amount=1,
        currency="INR",
        receipt=words,
        created_at=NOW,
        updated_at=NOW,
    )
    with pytest.raises(Exception) as raised, transaction():
        add(order)
    assert not isinstance(raised.value, Unavailable), "an order of too little is not a busy database"
