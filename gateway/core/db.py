"""The database: engine, session, and the only place that commits.

    with transaction():          one unit of work; commits at its end, then rings
        session()                the ORM session of this unit, begun at first use
        add(row)                 insert a new row at commit
        later(statement, …)      run a prepared statement at commit
        tally(statement, change) run it once with the sum of the changes, at the end
        ring("payments")         knock on this queue's worker after the commit
    with reading():              the same session, for looking only

Writes that nobody has to wait for are gathered by `add` and `later` and sent
together: on PostgreSQL as one message, which is one transaction and one
commit; on SQLite inside one short BEGIN IMMEDIATE. `fetch_one` reads with a
prepared statement and no transaction. So a payment costs the database two
messages, while the verbs read as if each write stood alone.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.extensions
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.orm import DeclarativeBase, Session

from gateway.core import queue, statements
from gateway.core.config import Config
from gateway.core.errors import Busy, Unavailable
from gateway.core.failures import Conflict as Conflict
from gateway.core.failures import StatementFailed as StatementFailed
from gateway.core.failures import translated
from gateway.core.statements import Statement, Values

LOCK_TIMEOUT_MS = 2000
_SQLITE_BUSY_TIMEOUT_MS = 15_000
_PING_AFTER_IDLE_S = 5.0

_engine: Engine | None = None
_local = threading.local()
# SQLite's own busy waiting is unfair (p99 of 750 ms at 32 threads); queueing here is not.
_sqlite_writer = threading.Lock()


class _Connection(psycopg2.extensions.connection):
    """psycopg2's connection, remembering which statements it has prepared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.info_of_statements: set[str] = set()


def connect(config: Config, pool_size: int = 8) -> Engine:
    """Open the engine of this process. `pool_size` is how many threads may use it at once."""
    global _engine
    disconnect()
    # Errors must not carry values: what a statement was given may be a secret.
    pool: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": pool_size,
        "max_overflow": 8,
        "pool_timeout": 10,
    }
    if config.is_embedded:
        config.var_dir.mkdir(parents=True, exist_ok=True)
        _engine = create_engine(
            config.database_url,
            connect_args={
                "isolation_level": None,
                "check_same_thread": False,
                "timeout": _SQLITE_BUSY_TIMEOUT_MS / 1000,
            },
            **pool,
        )
        event.listen(_engine, "connect", _sqlite_pragmas)
        event.listen(_engine, "begin", _sqlite_begin)
    else:
        _engine = create_engine(
            config.database_url,
            connect_args={
                "connection_factory": _Connection,
                "connect_timeout": 3,
                "tcp_user_timeout": 8000,
                "application_name": "gateway",
                "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"
                " -c idle_in_transaction_session_timeout=30000",
            },
            **pool,
        )
        event.listen(_engine, "checkin", _note_checkin)
        event.listen(_engine, "checkout", _ping_after_idling)
    return _engine


def disconnect() -> None:
    """Close what `connect` opened; connections of other threads close when they come back."""
    global _engine
    if _engine is not None:
        _engine.dispose()
    _engine = None


def _drop_connections() -> None:
    """One lost connection is rarely alone: the next request opens fresh ones."""
    engine().dispose()


def engine() -> Engine:
    assert _engine is not None, "db.connect was not called"
    return _engine


def is_sqlite() -> bool:
    return engine().dialect.name == "sqlite"


@contextmanager
def transaction() -> Iterator[None]:
    """One unit of work: all of it is committed at the end of the block, or none.

    raises  Conflict     a unique constraint was there first
            Unavailable  the database is away or stayed busy for too long
    """
    yield from _run(_Unit(writes=True))


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


def ring(queue_name: str) -> None:
    """Ring this queue's worker once the unit of work has committed."""
    _unit().rings.add(queue_name)


def fetch_one(statement: Statement, **values: Any) -> Any | None:
    """The first row of a prepared SELECT as a tuple, or None. Sees only what is committed.

    A connection that died while idle is replaced and the question asked again.
    """
    for is_last in (False, True):
        try:
            with _raw_connection() as connection:
                row = _send(connection, [(statement, values)]).fetchone()
                return None if row is None else tuple(map(_plain, row))
        except Unavailable:
            if is_last or is_sqlite():
                raise
    raise AssertionError("unreachable")


class _Unit:
    """What one `transaction` or `reading` block has gathered."""

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        self.rows: list[DeclarativeBase | tuple[Statement, Values]] = []
        self.tallies: dict[tuple[Statement, tuple[tuple[str, Any], ...]], int] = {}
        self.rings: set[str] = set()
        self._session: Session | None = None
        self._holds_writer = False

    def session(self) -> Session:
        if self._session is None:
            self._session = Session(engine(), expire_on_commit=False)
            if self.writes:
                self._take_writer()
            self._session.connection(execution_options={"writes": self.writes})
        return self._session

    def commit(self) -> None:
        if not self.writes:
            return  # what was only to be looked at is rolled back
        calls = [_insert_call(row) if isinstance(row, DeclarativeBase) else row for row in self.rows]
        for (statement, key), change in sorted(self.tallies.items(), key=lambda tallied: tallied[0][1]):
            calls.append((statement, dict(key) | {"change": change}))
        if self._session is not None:
            self._session.flush()
            if calls:
                _send(self._session.connection().connection.driver_connection, calls)
            self._session.commit()
        elif calls and is_sqlite():
            self._commit_sqlite(calls)
        elif calls:
            with _raw_connection() as connection:
                _send(connection, calls)

    def close(self) -> None:
        try:
            if self._session is not None:
                self._session.close()
        except exc.DBAPIError:
            # The connection died, and with it what there was to roll back.
            assert self._session is not None
            self._session.invalidate()
        finally:
            if self._holds_writer:
                _sqlite_writer.release()

    def _take_writer(self) -> None:
        if not is_sqlite():
            return
        if not _sqlite_writer.acquire(timeout=_SQLITE_BUSY_TIMEOUT_MS / 1000):
            raise Busy("The database is busy, please try again", retry_after=1)
        self._holds_writer = True

    def _commit_sqlite(self, calls: list[tuple[Statement, Values]]) -> None:
        self._take_writer()
        with _raw_connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                _send(connection, calls)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


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


@contextmanager
def _raw_connection() -> Iterator[Any]:
    """The driver's own connection, outside any transaction (autocommit)."""
    with translated(_drop_connections):
        pooled = engine().raw_connection()
        connection: Any = pooled.driver_connection
        try:
            if not is_sqlite():
                connection.autocommit = True
            yield connection
        finally:
            if not is_sqlite() and not connection.closed:
                connection.autocommit = False
            pooled.close()


def _send(connection: Any, calls: list[tuple[Statement, Values]]) -> Any:
    if is_sqlite():
        return statements.run_sqlite(connection, calls)
    return statements.run_postgresql(connection, calls)


def _plain(value: Any) -> Any:
    """SQLAlchemy teaches psycopg2 to make UUID objects; here, as everywhere, they are text."""
    return str(value) if isinstance(value, UUID) else value


_inserts: dict[tuple[str, str], tuple[Statement, dict[str, Any]]] = {}


def _insert_call(row: DeclarativeBase) -> tuple[Statement, Values]:
    table: Any = row.__table__
    dialect = engine().dialect
    known = _inserts.get((dialect.name, table.name))
    if known is None:
        known = (statements.insert_into(table), statements.binders(table, dialect))
        _inserts[dialect.name, table.name] = known
    statement, binders = known
    values = {}
    for name in statement.names:
        value = getattr(row, name)
        bind = binders[name]
        values[name] = value if bind is None else bind(value)
    return statement, values


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # recursive_triggers: REPLACE, too, asks the triggers that keep the ledger.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _note_checkin(_connection: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _ping_after_idling(connection: Any, record: Any, _proxy: Any) -> None:
    idle_since = record.info.get("idle_since")
    if idle_since is None or time.monotonic() - idle_since < _PING_AFTER_IDLE_S:
        return
    try:
        engine().dialect.do_ping(connection)
    except psycopg2.Error as error:
        raise exc.DisconnectionError from error
