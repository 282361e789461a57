"""The connections of this process: SQLAlchemy's engine, the raw ones beside it, SQLite's one writer.

What is done over them is in db.py; nobody else commits.
"""

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from gateway.core import statements
from gateway.core.config import Config
from gateway.core.engines import open_both
from gateway.core.errors import Busy
from gateway.core.raw import RawConnections
from gateway.core.statements import Call

LOCK_TIMEOUT_MS = 2000
_SQLITE_BUSY_TIMEOUT_MS = 15_000

_engine: Engine | None = None
_raw: RawConnections | None = None
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
        raw().close()
    _engine = _raw = None


def drop() -> None:
    """One lost connection is rarely alone: the next request opens fresh ones."""
    engine().dispose()
    raw().drop_idle()


def engine() -> Engine:
    assert _engine is not None, "db.connect was not called"
    return _engine


def raw() -> RawConnections:
    assert _raw is not None, "db.connect was not called"
    return _raw


def is_sqlite() -> bool:
    return engine().dialect.name == "sqlite"


def send(connection: Any, calls: Sequence[Call]) -> Any:
    """Run the calls on this connection and return the cursor of the last."""
    if is_sqlite():
        return statements.run_sqlite(connection, calls)
    return statements.run_postgresql(connection, calls)


def ask(calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    """The rows of the last of the calls, outside of any transaction."""
    return list(raw().use(lambda connection: send(connection, calls).fetchall()))


def commit(calls: Sequence[Call], first: bytes) -> None:
    """Run the calls as one transaction on a raw connection; on PostgreSQL `first` is said before."""

    def run(connection: Any) -> None:
        if is_sqlite():
            _commit_sqlite(connection, calls)
        else:
            statements.run_postgresql(connection, calls, first=first)

    raw().use(run)


def _commit_sqlite(connection: Any, calls: Sequence[Call]) -> None:
    take_writer()
    try:
        connection.execute("BEGIN IMMEDIATE")
        statements.run_sqlite(connection, calls)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        give_writer_back()


def take_writer() -> None:
    """Become the one who writes to SQLite. Raises Busy when that takes too long."""
    if not _sqlite_writer.acquire(timeout=_SQLITE_BUSY_TIMEOUT_MS / 1000):
        raise Busy("The database is busy, please try again", retry_after=1)


def give_writer_back() -> None:
    _sqlite_writer.release()
