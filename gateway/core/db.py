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
(core/together.py). `fetch_one` reads with a prepared statement and no
transaction. So a payment costs the database few messages, while the verbs read
as if each write stood alone.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, exc
from sqlalchemy.orm import DeclarativeBase, Session

from gateway.core import inserts, queue, statements
from gateway.core.config import Config
from gateway.core.engines import open_both
from gateway.core.errors import Busy, Unavailable
from gateway.core.failures import Conflict as Conflict
from gateway.core.failures import StatementFailed as StatementFailed
from gateway.core.failures import translated
from gateway.core.raw import RawConnections, RawTransaction
from gateway.core.statements import Call, Statement, Tallies, Values
from gateway.core.together import Together

LOCK_TIMEOUT_MS = 2000
_SQLITE_BUSY_TIMEOUT_MS = 15_000
# Others wait behind a group, so it does not wait long itself for a row that somebody else holds.
_IMPATIENTLY = b"SET LOCAL lock_timeout = '200 ms'"

_engine: Engine | None = None
_raw: RawConnections | None = None
_local = threading.local()
# SQLite's own busy waiting is unfair (p99 of 750 ms at 32 threads); queueing here is not.
_sqlite_writer = threading.Lock()


def connect(config: Config, pool_size: int = 8) -> Engine:
    """Open the engine of this process. `pool_size` is how many threads may use it at once."""
    global _engine, _raw
    disconnect()
    _engine, _raw = open_both(
        config, pool_size, lock_timeout_ms=LOCK_TIMEOUT_MS, busy_timeout_ms=_SQLITE_BUSY_TIMEOUT_MS
    )
    return _engine


def disconnect() -> None:
    """Close what `connect` opened; connections of other threads close when they come back."""
    global _engine, _raw
    if _engine is not None:
        _engine.dispose()
        _raw_connections().close()
    _engine = _raw = None


def _drop_connections() -> None:
    """One lost connection is rarely alone: the next request opens fresh ones."""
    engine().dispose()
    _raw_connections().drop_idle()


def engine() -> Engine:
    assert _engine is not None, "db.connect was not called"
    return _engine


def _raw_connections() -> RawConnections:
    assert _raw is not None, "db.connect was not called"
    return _raw


def is_sqlite() -> bool:
    return engine().dialect.name == "sqlite"


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
    call: list[Call] = [(statement, values)]
    with translated(_drop_connections):
        return list(_raw_connections().use(lambda connection: _send(connection, call).fetchall()))


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
        if self._session is not None:
            return list(_send(self._driver_connection(), calls).fetchall())
        if not self.writes:
            return list(_raw_connections().use(lambda connection: _send(connection, calls).fetchall()))
        if self._raw is None:
            self._hold_writer()
            self._raw = RawTransaction(_raw_connections(), is_sqlite(), self._begin)
        return list(self._raw.run(calls).fetchall())

    def _driver_connection(self) -> Any:
        return self.session().connection().connection.driver_connection

    def _hold_writer(self) -> None:
        if self.writes and is_sqlite():
            _take_writer()
            self._holds_writer = True

    def commit(self) -> None:
        if not self.writes:
            return  # what was only to be looked at is rolled back
        dialect = engine().dialect
        calls = [row if isinstance(row, tuple) else inserts.of_row(row, dialect) for row in self.rows]
        if self._session is not None:
            self._session.flush()
            if calls or self.tallies:
                _send(self._driver_connection(), [*calls, *statements.tallied([self.tallies])])
            self._session.commit()
        elif self._raw is not None:
            self._raw.commit([*calls, *statements.tallied([self.tallies])])
        elif calls or self.tallies:
            _together.join((calls, self.tallies))

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
                _sqlite_writer.release()


def _commit_together(parts: list[tuple[list[Call], Tallies]]) -> list[None]:
    """Several units of work as one transaction; all of them or none."""
    calls = statements.merged([calls for calls, _ in parts])
    _commit([*calls, *statements.tallied([tallies for _, tallies in parts])], _IMPATIENTLY)
    return [None] * len(parts)


def _commit_alone(part: tuple[list[Call], Tallies]) -> None:
    _commit([*part[0], *statements.tallied([part[1]])], b"")


def _commit(calls: list[Call], first: bytes) -> None:
    def commit(connection: Any) -> None:
        if is_sqlite():
            _commit_sqlite(connection, calls)
        else:
            statements.run_postgresql(connection, calls, first=first)

    with translated(_drop_connections):
        _raw_connections().use(commit)


def _commit_sqlite(connection: Any, calls: list[Call]) -> None:
    _take_writer()
    try:
        connection.execute("BEGIN IMMEDIATE")
        _send(connection, calls)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        _sqlite_writer.release()


def _take_writer() -> None:
    if not _sqlite_writer.acquire(timeout=_SQLITE_BUSY_TIMEOUT_MS / 1000):
        raise Busy("The database is busy, please try again", retry_after=1)


def _is_worth_another_try(error: BaseException, had_company: bool) -> bool:
    """Whether a unit whose group failed is to be tried by itself."""
    if isinstance(error, Busy):
        return not is_sqlite()  # there all of it was held; on PostgreSQL a row that one of them wants
    return had_company and isinstance(error, Exception) and not isinstance(error, Unavailable)


_together: Together[tuple[list[Call], Tallies], None] = Together(
    _commit_together, _commit_alone, _is_worth_another_try
)


def _unit() -> _Unit:
    unit: _Unit | None = getattr(_local, "unit", None)
    assert unit is not None, "no transaction or reading block around the caller"
    return unit


def _run(unit: _Unit) -> Iterator[None]:
    assert getattr(_local, "unit", None) is None, "units of work do not nest"
    _local.unit = unit
    try:
        with translated(_drop_connections):
            yield
            unit.commit()
    finally:
        _local.unit = None
        unit.close()
    for name in unit.rings:
        queue.ring(name)


def _send(connection: Any, calls: Sequence[Call]) -> Any:
    if is_sqlite():
        return statements.run_sqlite(connection, calls)
    return statements.run_postgresql(connection, calls)
