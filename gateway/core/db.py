"""The database: engine, session, and the only place that commits.

    with transaction():          one unit of work; commits at its end, then rings
        session()                the ORM session of this unit, begun at first use
        fetch_all(statement, …)  rows of a prepared statement, run at once; `fetch_many`, for many values
        add(row)                 insert a new row at commit
        add_row(model, …)        the same for a row that nobody looks at again; several times cheaper
        later(statement, …)      run a prepared statement at commit
        tally(statement, change) run it once with the sum of the changes, at the end
        ring("payments")         knock on this queue's worker after the commit
    with reading():              the same session, for looking only

Writes that nobody has to wait for are gathered by `add` and `later` and sent
together: on PostgreSQL as one message, which is one transaction and one
commit; on SQLite inside one short BEGIN IMMEDIATE. Units that consist of
nothing else and end at the same moment in several threads share it, too
(core/together.py), or are one from the first (`single_commit`). `fetch_one`
reads with a prepared statement and no transaction. So a payment costs the
database few messages, while the verbs read as if each write stood alone.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exc
from sqlalchemy.orm import DeclarativeBase, Session

from gateway.core import connections, inserts, queue, statements
from gateway.core.connections import connect as connect
from gateway.core.connections import disconnect as disconnect
from gateway.core.connections import engine as engine
from gateway.core.connections import is_sqlite as is_sqlite
from gateway.core.errors import Busy, Unavailable
from gateway.core.failures import Conflict as Conflict
from gateway.core.failures import StatementFailed as StatementFailed
from gateway.core.failures import translated
from gateway.core.raw import RawTransaction
from gateway.core.statements import Call, Statement, Tallies, Values
from gateway.core.together import Together

# Others wait behind a group, so it does not wait long itself for a row that somebody else holds.
_IMPATIENTLY = b"SET LOCAL lock_timeout = '200 ms'"

# What a unit of work leaves for its end.
Part = tuple[list[Call], Tallies]

_local = threading.local()


@contextmanager
def transaction(*, is_patient: bool = True) -> Iterator[None]:
    """One unit of work: all of it is committed at the end of the block, or none.

    is_patient  if not, it is soon Busy where somebody holds a row; only without a session, on PostgreSQL

    raises  Conflict     a unique constraint was there first
            Unavailable  the database is away or stayed busy for too long
    """
    yield from _run(_Unit(writes=True, is_patient=is_patient))


@contextmanager
def reading() -> Iterator[None]:
    """A session for looking only; it never takes the writer's place on SQLite."""
    yield from _run(_Unit(writes=False))


class Apart(Exception):
    """What was begun cannot be part of a single commit: it would keep the others waiting."""


@contextmanager
def single_commit() -> Iterator[None]:
    """Make the units of work of the block one, which commits at its end and then rings.

    They may do nothing but gather: whatever else they begin is refused with Apart.
    """
    stand_apart()
    _local.single = single = _Single([], set())
    try:
        yield
    finally:
        _local.single = None
    if single.parts:
        _commit_together(single.parts)
    _ring(single.rings)


def stand_apart() -> None:
    """Say that what follows takes its time. Raises Apart where a single commit would wait for it."""
    if getattr(_local, "single", None) is not None:
        raise Apart


def session() -> Session:
    """The ORM session of the unit of work around the caller."""
    return _unit().session()


def add(row: DeclarativeBase) -> None:
    """Insert this new row when the unit of work commits."""
    _unit().rows.append(row)


def add_row(model: type[DeclarativeBase], **values: Any) -> None:
    """Insert a row of these values when the unit of work commits; what is not given is null."""
    _unit().rows.append(inserts.of_values(model, values, engine().dialect))


def later(statement: Statement, **values: Any) -> None:
    """Run this statement when the unit of work commits, after what was added before it."""
    _unit().rows.append((statement, values))


def tally(statement: Statement, change: int, **key: Any) -> None:
    """Add `change` to what this unit of work has tallied for `key`.

    The statement runs once for each key, with the sum as `:change`, last of all
    and in the order of the keys: rows that many transactions want are held for
    the shortest time, and two transactions cannot wait for each other.
    """
    tallies = _unit().tallies
    at = (statement, tuple(sorted(key.items())))
    tallies[at] = tallies.get(at, 0) + change


def gathered(model: type[DeclarativeBase]) -> list[dict[str, Any]]:
    """The values of the rows of `model` that `add_row` has gathered; until the commit they may be changed."""
    insert = inserts.statement_of(model, engine().dialect)
    calls = (row for row in _unit().rows if isinstance(row, tuple))
    return [values for statement, values in calls if statement is insert and isinstance(values, dict)]


def ring(queue_name: str) -> None:
    """Ring this queue's worker once the unit of work has committed."""
    _unit().rings.add(queue_name)


def hush(queue_name: str) -> None:
    """Ring it not after all: what was to be done is done."""
    _unit().rings.discard(queue_name)


def is_rung(queue_name: str) -> bool:
    """Whether this unit of work will ring it."""
    return queue_name in _unit().rings


def fetch_all(statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a prepared statement that runs now, inside the unit of work around the caller.

    A unit that asks for its session does so first, or never.
    """
    return _unit().fetch_all([(statement, values)])


def fetch_many(statement: Statement, rows: Iterable[Values]) -> list[tuple[Any, ...]]:
    """What `fetch_all` gives for each of these values, in no order; on PostgreSQL by one message."""
    calls = [(statement, values) for values in rows]
    groups = [calls] if calls and not is_sqlite() else [[call] for call in calls]
    return [row for group in groups for row in _unit().fetch_all(group)]


def fetch_one(statement: Statement, **values: Any) -> Any | None:
    """The first row of a prepared SELECT as a tuple, or None. Sees only what is committed.

    A connection that died while idle is replaced and the question asked again.
    """
    try:
        rows = ask(statement, **values)
    except Unavailable:
        if is_sqlite():
            raise
        rows = ask(statement, **values)
    return rows[0] if rows else None


def ask(statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a prepared SELECT, asked once and outside of any unit of work."""
    stand_apart()
    with translated(connections.drop):
        return connections.ask([(statement, values)])


class _Unit:
    """What one `transaction` or `reading` block has gathered."""

    def __init__(self, writes: bool, is_patient: bool = True) -> None:
        self.writes = writes
        self._begin = b"BEGIN" if is_patient else b"BEGIN;" + _IMPATIENTLY
        self.rows: list[DeclarativeBase | Call] = []
        self.tallies: Tallies = {}
        self.rings: set[str] = set()
        self._session: Session | None = None
        self._raw: RawTransaction | None = None
        self._holds_writer = False

    def session(self) -> Session:
        stand_apart()
        if self._session is None:
            assert self._raw is None, "the session comes before fetch_all, or not at all"
            self._session = Session(engine(), expire_on_commit=False)
            self._hold_writer()
            options: dict[str, Any] = {"writes": self.writes}
            if not self.writes and not is_sqlite():
                # Nobody looks twice in READ COMMITTED and expects the same; a transaction costs two messages.
                options["isolation_level"] = "AUTOCOMMIT"
            self._session.connection(execution_options=options)
        return self._session

    def fetch_all(self, calls: list[Call]) -> list[tuple[Any, ...]]:
        stand_apart()
        if self._session is not None:
            return list(connections.send(self._driver_connection(), calls).fetchall())
        if not self.writes:
            return connections.ask(calls)
        if self._raw is None:
            self._hold_writer()
            self._raw = RawTransaction(connections.raw(), is_sqlite(), self._begin)
        return list(self._raw.run(calls).fetchall())

    def _driver_connection(self) -> Any:
        return self.session().connection().connection.driver_connection

    def _hold_writer(self) -> None:
        if self.writes and is_sqlite():
            connections.take_writer()
            self._holds_writer = True

    def commit(self) -> None:
        if not self.writes:
            return  # what was only to be looked at is rolled back
        dialect = engine().dialect
        calls = [row if isinstance(row, tuple) else inserts.of_row(row, dialect) for row in self.rows]
        if self._session is not None:
            self._session.flush()
            if calls or self.tallies:
                connections.send(self._driver_connection(), [*calls, *statements.tallied([self.tallies])])
            self._session.commit()
        elif self._raw is not None:
            self._raw.commit([*calls, *statements.tallied([self.tallies])])
        elif calls or self.tallies:
            single: _Single | None = getattr(_local, "single", None)
            if single is None:
                _together.join((calls, self.tallies))
            else:
                single.parts.append((calls, self.tallies))
                single.rings.update(self.rings)
                self.rings = set()

    def close(self) -> None:
        try:
            if self._session is not None:
                self._session.close()
        except exc.DBAPIError:
            # The connection died, and with it what there was to roll back.
            assert self._session is not None
            self._session.invalidate()
        finally:
            if self._raw is not None:
                self._raw.end()
            if self._holds_writer:
                connections.give_writer_back()


@dataclass(frozen=True)
class _Single:
    """What units of work leave to a single commit."""

    parts: list[Part]
    rings: set[str]


def _commit_together(parts: list[Part]) -> list[None]:
    """Several units of work as one transaction; all of them or none."""
    calls = statements.merged([calls for calls, _ in parts])
    _commit([*calls, *statements.tallied([tallies for _, tallies in parts])], _IMPATIENTLY)
    return [None] * len(parts)


def _commit_alone(part: Part) -> None:
    _commit([*part[0], *statements.tallied([part[1]])], b"")


def _commit(calls: list[Call], first: bytes) -> None:
    with translated(connections.drop):
        connections.commit(calls, first)


def _is_worth_another_try(error: BaseException, had_company: bool) -> bool:
    """Whether a unit whose group failed is to be tried by itself."""
    if isinstance(error, Busy):
        return not is_sqlite()  # there all of it was held; on PostgreSQL a row that one of them wants
    return had_company and isinstance(error, Exception) and not isinstance(error, Unavailable)


_together: Together[Part, None] = Together(_commit_together, _commit_alone, _is_worth_another_try)


def _unit() -> _Unit:
    unit: _Unit | None = getattr(_local, "unit", None)
    assert unit is not None, "no transaction or reading block around the caller"
    return unit


def _run(unit: _Unit) -> Iterator[None]:
    assert getattr(_local, "unit", None) is None, "units of work do not nest"
    _local.unit = unit
    try:
        with translated(connections.drop):
            yield
            unit.commit()
    finally:
        _local.unit = None
        unit.close()
    _ring(unit.rings)


def _ring(names: set[str]) -> None:
    for name in names:
        queue.ring(name)
