"""Units of work that run prepared statements at once, and units that are committed together."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core import db, statements
from gateway.core.config import Config
from gateway.core.db import (
    Conflict,
    add,
    add_row,
    fetch_all,
    fetch_many,
    fetch_one,
    later,
    reading,
    session,
    tally,
    transaction,
)
from gateway.core.statements import Statement, columns_of, update_each
from gateway.models import EventCounter
from tests.core.test_db import ADD, ONE, OTHER, READ, START, counter, somebody_holding_the_row

Rows = Callable[..., list[dict[str, Any]]]

RAISE = Statement(
    "UPDATE event_counters SET last_sequence = last_sequence + :by WHERE merchant_id = :merchant_id"
    " RETURNING last_sequence"
)
RAISE_EACH = update_each(
    "event_counters",
    "last_sequence = last_sequence + r.by",
    "merchant_id uuid, by bigint",
    " AND event_counters.last_sequence < 100",
    returning=columns_of(EventCounter.__table__),
    in_turn=True,
)


def test_a_statement_run_at_once_sees_its_own_unit_and_is_committed_with_the_rest(config: Config) -> None:
    with transaction():
        add(counter(1))
    with transaction():
        assert fetch_all(RAISE, merchant_id=ONE, by=4) == [(5,)]
        assert fetch_all(RAISE, merchant_id=ONE, by=5) == [(10,)]
        assert fetch_one(READ, merchant_id=ONE) == (1,)
        add_row(EventCounter, merchant_id=OTHER, last_sequence=3)
        tally(ADD, 2, merchant_id=ONE)
    assert fetch_one(READ, merchant_id=ONE) == (12,)
    assert fetch_one(READ, merchant_id=OTHER) == (3,)


def test_nothing_of_it_stays_when_the_unit_fails(config: Config) -> None:
    with transaction():
        add(counter(1))
    with pytest.raises(ZeroDivisionError), transaction():
        fetch_all(RAISE, merchant_id=ONE, by=4)
        _ = 1 / 0
    with pytest.raises(Conflict), transaction():
        fetch_all(RAISE, merchant_id=ONE, by=4)
        later(START, merchant_id=ONE, number=9)
    assert fetch_one(READ, merchant_id=ONE) == (1,)
    with transaction():
        assert fetch_all(RAISE, merchant_id=ONE, by=1) == [(2,)]
    assert fetch_one(READ, merchant_id=ONE) == (2,)


def test_it_runs_in_the_sessions_transaction_where_there_is_a_session(config: Config) -> None:
    with transaction():
        session().add(counter(1))
        session().flush()
        assert fetch_all(RAISE, merchant_id=ONE, by=1) == [(2,)]
    assert fetch_one(READ, merchant_id=ONE) == (2,)
    with pytest.raises(AssertionError, match="session comes before"), transaction():
        fetch_all(RAISE, merchant_id=ONE, by=1)
        session()
    assert fetch_one(READ, merchant_id=ONE) == (2,)


def test_it_can_look_without_writing(config: Config) -> None:
    with transaction():
        add(counter(7))
    with reading():
        assert fetch_all(READ, merchant_id=ONE) == [(7,)]
        assert fetch_all(READ, merchant_id=OTHER) == []


@pytest.mark.parametrize(
    "begin",
    [session, lambda: fetch_all(READ, merchant_id=ONE), lambda: None],
    ids=["session", "fetch_all", "alone"],
)
def test_many_values_run_at_once_and_give_the_rows_they_changed(
    config: Config, begin: Callable[[], object]
) -> None:
    with transaction():
        for at in range(5):
            add(counter(at, uuid_of(at)))
        add(counter(100, uuid_of(5)))
    with transaction():
        begin()
        raised = fetch_many(RAISE_EACH, [{"merchant_id": uuid_of(at), "by": 10 * at} for at in (7, 5, 3, 1)])
        assert sorted(raised) == [(uuid_of(1), 11), (uuid_of(3), 33)]
        assert fetch_all(READ, merchant_id=uuid_of(3)) == [(33,)]
    assert [fetch_one(READ, merchant_id=uuid_of(at)) for at in range(6)] == [
        (0,),
        (11,),
        (2,),
        (33,),
        (4,),
        (100,),
    ]


def test_many_values_are_one_message_to_postgresql_and_none_are_none(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "run_sqlite" if db.is_sqlite() else "run_postgresql"
    run, messages = getattr(statements, name), list[int]()

    def count_and_run(connection: Any, calls: Any, **frame: Any) -> Any:
        messages.append(len(calls))
        return run(connection, calls, **frame)

    monkeypatch.setattr(statements, name, count_and_run)
    with transaction():
        fetch_many(RAISE_EACH, [{"merchant_id": uuid_of(at), "by": 1} for at in range(3)])
        assert messages == ([1, 1, 1] if db.is_sqlite() else [3])
    messages.clear()
    with transaction():
        assert fetch_many(RAISE_EACH, []) == []
    assert messages == []


def test_a_row_that_was_waited_for_is_changed_as_it_is_by_then(config: Config) -> None:
    with transaction():
        add(counter(1, uuid_of(1)))
        add(counter(99, uuid_of(2)))
    raised: list[tuple[Any, ...]] = []

    def raise_both() -> None:
        with transaction():
            raised.extend(fetch_many(RAISE_EACH, [{"merchant_id": uuid_of(at), "by": 5} for at in (2, 1)]))

    other = threading.Thread(target=raise_both)
    with transaction():
        fetch_many(RAISE_EACH, [{"merchant_id": uuid_of(at), "by": 1} for at in (1, 2)])
        other.start()
        time.sleep(0.2)
        assert raised == []
    other.join(10)
    # The other one is at its limit by now.
    assert raised == [(uuid_of(1), 7)]
    assert fetch_one(READ, merchant_id=uuid_of(2)) == (100,)


def test_batches_that_name_the_same_rows_in_any_order_take_turns(config: Config) -> None:
    with transaction():
        for at in range(20):
            add(counter(0, uuid_of(at)))
    units: list[Callable[[], None]] = []
    for luck in range(4):
        order = random.Random(luck).sample(range(20), 20)
        values = [{"merchant_id": uuid_of(at), "by": 1} for at in order]
        units.append(lambda values=values: fetch_many(RAISE_EACH, values) and None)
    for _ in range(10):
        threads = [threading.Thread(target=run_unit, args=(unit,)) for unit in units]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [fetch_one(READ, merchant_id=uuid_of(at)) for at in range(20)] == [(40,)] * 20


def run_unit(unit: Callable[[], None]) -> None:
    with transaction():
        unit()


def at_once(units: list[Callable[[], None]]) -> list[BaseException | None]:
    """What became of these units, which all end at about the same moment."""
    outcomes: list[BaseException | None] = [None] * len(units)
    together = threading.Barrier(len(units))

    def run(at: int) -> None:
        try:
            with transaction():
                units[at]()
                together.wait(10)
        except BaseException as error:
            outcomes[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(units))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def test_units_that_end_together_are_all_written(config: Config, rows: Rows) -> None:
    for turn in range(5):
        units = [
            lambda at=at: add_row(EventCounter, merchant_id=uuid_of(at), last_sequence=at)
            for at in range(turn * 12, turn * 12 + 12)
        ]
        assert at_once(units) == [None] * 12
    assert [row["last_sequence"] for row in rows("SELECT * FROM event_counters ORDER BY 2")] == [*range(60)]


def test_only_the_unit_that_is_refused_hears_of_it(config: Config, rows: Rows) -> None:
    with transaction():
        later(START, merchant_id=uuid_of(5), number=99)
    for turn in range(5):
        base = turn * 100
        units: list[Callable[[], None]] = [
            lambda at=at: later(START, merchant_id=uuid_of(at), number=at)
            for at in range(base + 10, base + 21)
        ]
        units.insert(4, lambda: later(START, merchant_id=uuid_of(5), number=1))
        outcomes = at_once(units)
        assert isinstance(outcomes.pop(4), Conflict)
        assert outcomes == [None] * 11
    assert len(rows("SELECT * FROM event_counters")) == 1 + 5 * 11


def test_a_group_does_not_wait_long_for_the_row_that_one_of_it_wants(config: Config) -> None:
    if db.is_sqlite():
        pytest.skip("SQLite has no rows that could be held")
    with transaction():
        add(counter(1))

    def plus() -> None:
        later(RAISE, merchant_id=ONE, by=1)

    units: list[Callable[[], None]] = [
        lambda at=at: later(START, merchant_id=uuid_of(at), number=at) for at in range(10, 18)
    ]
    took, busy = [], []

    def timed(unit: Callable[[], None]) -> None:
        began = time.monotonic()
        with transaction():
            unit()
        took.append(time.monotonic() - began)

    def wait() -> None:
        with pytest.raises(db.Busy):
            timed(plus)
        busy.append(True)

    with somebody_holding_the_row(config):
        threads = [threading.Thread(target=timed, args=(unit,)) for unit in units]
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.05)  # it leads, and finds its row held
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        waiting.join(10)
    assert (len(took), busy) == (8, [True])
    # The row is held for two seconds and more.
    assert max(took) < 1.5
    assert fetch_one(READ, merchant_id=ONE) == (1,)
