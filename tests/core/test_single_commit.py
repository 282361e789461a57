"""What one thread does for many: units of work that are one commit, and errands that share their look-up."""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from gateway import adapters
from gateway.core import connections, db, lookups, queue
from gateway.core.config import Config
from gateway.core.db import Apart, Conflict, add_row, fetch_all, fetch_one, later, ring, session, transaction
from gateway.core.errors import BadRequest
from gateway.core.lookups import Lookup
from gateway.core.processor import Card
from gateway.models import EventCounter
from tests.core.test_db import READ, START
from tests.core.test_units import uuid_of
from tests.scripted import ScriptedBank

Rows = Callable[..., list[dict[str, Any]]]

COUNTER = Lookup(EventCounter, "last_sequence", "merchant_id")
OTHER = Lookup(EventCounter, "merchant_id, last_sequence", "merchant_id")
WHO: ContextVar[int] = ContextVar("who")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(queue, "ring", heard.append)
    return heard


@pytest.fixture
def commits(config: Config, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each commit carried."""
    made: list[int] = []
    commit = connections.commit

    def counted(calls: Any, first: bytes) -> None:
        made.append(len(calls))
        commit(calls, first)

    monkeypatch.setattr(connections, "commit", counted)
    return made


def write(number: int) -> None:
    with transaction():
        add_row(EventCounter, merchant_id=uuid_of(number), last_sequence=number)
        ring("payments")


def written(rows: Rows) -> list[int]:
    return [row["last_sequence"] for row in rows("SELECT * FROM event_counters ORDER BY last_sequence")]


# ---- A single commit


def test_units_of_a_single_commit_are_written_at_its_end(
    commits: list[int], rows: Rows, rung: list[str]
) -> None:
    with db.single_commit():
        for number in (1, 2, 3):
            write(number)
        assert (written(rows), rung, commits) == ([], [], [])
    assert (written(rows), rung, commits) == ([1, 2, 3], ["payments"], [3])
    write(4)
    assert (written(rows), rung, commits) == ([1, 2, 3, 4], ["payments"] * 2, [3, 1])


def test_a_unit_that_fails_leaves_a_single_commit_to_the_others(
    commits: list[int], rows: Rows, rung: list[str]
) -> None:
    with db.single_commit():
        write(1)
        with pytest.raises(ZeroDivisionError), transaction():
            add_row(EventCounter, merchant_id=uuid_of(2), last_sequence=2)
            ring("refunds")
            _ = 1 / 0
        write(3)
    assert (written(rows), rung, commits) == ([1, 3], ["payments"], [2])


def test_nothing_is_left_of_a_single_commit_that_fails(config: Config, rows: Rows, rung: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), db.single_commit():
        write(1)
        _ = 1 / 0
    with pytest.raises(Conflict), db.single_commit():
        write(2)
        write(2)
    with db.single_commit():
        pass
    assert (written(rows), rung) == ([], [])
    write(5)
    assert (written(rows), rung) == ([5], ["payments"])


def through_its_session() -> None:
    with transaction():
        session()


def through_a_statement_at_once() -> None:
    with transaction():
        fetch_all(READ, merchant_id=uuid_of(1))


def for_looking_only() -> None:
    with db.reading():
        fetch_all(READ, merchant_id=uuid_of(1))


def outside_of_a_unit() -> None:
    fetch_one(READ, merchant_id=uuid_of(1))


def in_another() -> None:
    with db.single_commit():
        pass


WAITING = (through_its_session, through_a_statement_at_once, for_looking_only, outside_of_a_unit, in_another)


@pytest.mark.parametrize("begin", WAITING)
def test_whoever_wants_more_than_to_gather_stands_apart(
    config: Config, rows: Rows, begin: Callable[[], None]
) -> None:
    with db.single_commit():
        write(1)
        with pytest.raises(Apart):
            begin()
        write(2)
    assert written(rows) == [1, 2]
    begin()


def test_a_processor_elsewhere_is_not_asked_in_company(config: Config) -> None:
    card = Card("4111111111111111", 12, 2030, "123", "Asha", "visa")
    with db.single_commit():
        assert adapters.tokenise(card).startswith("tok_"), "the sandbox bank is in this process"
    asked: list[Card] = []

    class Elsewhere(ScriptedBank):
        def tokenise(self, card: Card) -> str:
            asked.append(card)
            return super().tokenise(card)

    adapters.use_acquirer(Elsewhere())
    with db.single_commit(), pytest.raises(Apart):
        adapters.tokenise(card)
    assert asked == []
    adapters.tokenise(card)
    assert asked == [card]


# ---- Errands


def all_at_once(
    acts: list[Callable[[Any], Any]], monkeypatch: pytest.MonkeyPatch, *, ahead: bool = False
) -> list[Any]:
    """Each act as a thread of its own with the number of its place; all but the first gather behind it."""
    outcomes: list[Any] = [None] * len(acts)
    everybody_waits = threading.Event()
    ask, asked = db.ask, []

    def slow(statement: Any, **values: Any) -> Any:
        asked.append(statement)
        if len(asked) == 1:
            assert everybody_waits.wait(10)
        return ask(statement, **values)

    def run(at: int) -> None:
        WHO.set(at)
        try:
            if ahead:
                with lookups.ahead(OTHER, uuid_of(at)):
                    outcomes[at] = COUNTER.use((uuid_of(at),), acts[at])
            else:
                outcomes[at] = COUNTER.use((uuid_of(at),), acts[at])
        except Exception as error:
            outcomes[at] = error

    monkeypatch.setattr(db, "ask", slow)
    question = lookups._question((COUNTER, OTHER) if ahead else (COUNTER,))
    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    threads[0].start()
    while not asked:
        time.sleep(0.001)
    for thread in threads[1:]:
        thread.start()
    while len(question._errands._waiting) < len(acts) - 1:
        time.sleep(0.001)
    everybody_waits.set()
    for thread in threads:
        thread.join(10)
    monkeypatch.setattr(db, "ask", ask)
    return outcomes


def on_postgresql_only() -> None:
    if db.is_sqlite():
        pytest.skip("SQLite is asked without a message, each thread for itself")


def test_errands_share_their_look_up_and_their_commit(
    commits: list[int], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgresql_only()
    with transaction():
        later(START, merchant_id=uuid_of(3), number=33)
    commits.clear()
    threads: list[str] = []

    def act(found: Any) -> tuple[int, Any]:
        threads.append(threading.current_thread().name)
        if found is None:
            write(WHO.get())
        return WHO.get(), found

    outcomes = all_at_once([act] * 8, monkeypatch)
    assert outcomes == [(at, (33,) if at == 3 else None) for at in range(8)]
    assert (written(rows), commits) == ([0, 1, 2, 4, 5, 6, 7, 33], [1, 6])
    assert len(threads) == 8
    assert len(set(threads)) == 2, "the first for itself, the second for all behind it"


def test_each_errand_ends_as_it_would_alone(
    config: Config, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgresql_only()

    def refuse(_found: Any) -> None:
        with transaction():
            add_row(EventCounter, merchant_id=uuid_of(99), last_sequence=99)
            raise BadRequest("no")

    def ask_more(found: Any) -> Any:
        with transaction():
            session()
            write_row = EventCounter(merchant_id=uuid_of(2), last_sequence=2)
            session().add(write_row)
        return found

    def fail(_found: Any) -> None:
        raise ZeroDivisionError

    def write_own(_found: Any) -> str:
        write(WHO.get())
        return "done"

    outcomes = all_at_once([write_own, refuse, ask_more, write_own, fail, write_own], monkeypatch)
    assert [type(outcome) for outcome in outcomes] == [
        str,
        BadRequest,
        type(None),
        str,
        ZeroDivisionError,
        str,
    ]
    assert written(rows) == [0, 2, 3, 5]


def test_of_errands_whose_commit_fails_each_hears_the_truth_about_its_own(
    config: Config, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgresql_only()
    runs: list[int] = []

    def act(_found: Any) -> str:
        runs.append(WHO.get())
        write(40 if WHO.get() in (2, 4) else WHO.get())
        return "done"

    outcomes = all_at_once([act] * 6, monkeypatch)
    assert [outcomes[at] for at in (0, 1, 3, 5)] == ["done"] * 4
    twins = [outcomes[2], outcomes[4]]
    assert "done" in twins
    assert [type(twin) for twin in twins if twin != "done"] == [Conflict]
    assert written(rows) == [0, 1, 3, 5, 40]
    assert sorted(runs) == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "all but the first, who was alone, twice"


def test_what_came_along_is_each_errands_own(
    config: Config, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgresql_only()
    for number in range(0, 6, 2):
        write(number)

    def act(_found: Any) -> Any:
        return OTHER.find(uuid_of(WHO.get()))

    wanted = [(uuid_of(at), at) if at % 2 == 0 else None for at in range(6)]
    assert all_at_once([act] * 6, monkeypatch, ahead=True) == wanted


def test_an_errand_is_run_where_it_was_given_on_either_engine(config: Config, rows: Rows) -> None:
    write(7)
    WHO.set(1)
    assert COUNTER.use((uuid_of(7),), lambda found: (found, WHO.get())) == ((7,), 1)
    assert COUNTER.use((uuid_of(1),), lambda found: (found, write(WHO.get()))) == (None, None)
    assert written(rows) == [1, 7]

    def refuse(_found: Any) -> None:
        raise BadRequest("no")

    with pytest.raises(BadRequest):
        COUNTER.use((uuid_of(7),), refuse)

    def ask_more(_found: Any) -> Any:
        return fetch_one(READ, merchant_id=uuid_of(7))

    assert COUNTER.use((uuid_of(7),), ask_more) == (7,)
