"""How the two engines are opened: their connections, and what each is told first."""

import sqlite3
import time
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import Engine, create_engine, event, exc

from gateway.core.config import Config
from gateway.core.raw import RawConnections

_PING_AFTER_IDLE_S = 5.0
# A prepared statement keeps the plan it got while its table was nearly empty. Then reading all of it is
# cheapest; thousands of rows later it no longer is, so an index is taken from the first. Where there is
# none the table is read all the same, at a price on paper that would call the JIT compiler.
_LASTING_PLANS = "-c enable_seqscan=off -c jit=off"
# On raw connections every statement is prepared, and each takes few rows or the first of many. A bitmap
# would gather all that is due, and all that ever was since the last vacuum, before it gave the first.
_FIRST_ROWS = "-c enable_bitmapscan=off"


class _Connection(psycopg2.extensions.connection):
    """psycopg2's connection, remembering which statements it has prepared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.info_of_statements: set[str] = set()


def open_both(
    config: Config, pool_size: int, *, lock_timeout_ms: int, busy_timeout_ms: int
) -> tuple[Engine, RawConnections]:
    """SQLAlchemy's engine for `pool_size` threads at once, and the raw connections beside it.

    lock_timeout_ms  how long PostgreSQL waits for a row that somebody else holds
    busy_timeout_ms  SQLite's patience with another process that writes
    """
    # Errors must not carry values: what a statement was given may be a secret.
    pool: dict[str, Any] = {
        "hide_parameters": True,
        # A thread uses one of its connections or a raw one, rarely both kinds in turn: half of them idle.
        "pool_size": max(2, pool_size // 2),
        "max_overflow": 8 + pool_size // 2,
        "pool_timeout": 10,
    }
    if config.is_embedded:
        return _open_sqlite(config, busy_timeout_ms, pool)
    return _open_postgresql(config, lock_timeout_ms, pool)


def _open_sqlite(config: Config, busy_timeout_ms: int, pool: dict[str, Any]) -> tuple[Engine, RawConnections]:
    config.var_dir.mkdir(parents=True, exist_ok=True)
    options = {"isolation_level": None, "check_same_thread": False, "timeout": busy_timeout_ms / 1000}
    engine = create_engine(config.database_url, connect_args=options, **pool)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    words, more = engine.dialect.create_connect_args(engine.url)

    def connect() -> Any:
        connection: Any = sqlite3.connect(*words, **{**more, **options})  # type: ignore[call-overload]
        _set_pragmas(connection, None)
        return connection

    return engine, RawConnections(connect, lambda _: True)


def _set_pragmas(connection: Any, _record: Any) -> None:
    # recursive_triggers: REPLACE, too, asks the triggers that keep the ledger.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(
    config: Config, lock_timeout_ms: int, pool: dict[str, Any]
) -> tuple[Engine, RawConnections]:
    options = {
        "connection_factory": _Connection,
        "connect_timeout": 3,
        "tcp_user_timeout": 8000,
        "application_name": "gateway",
        "options": f"-c timezone=UTC -c lock_timeout={lock_timeout_ms}"
        f" -c idle_in_transaction_session_timeout=30000 {_LASTING_PLANS}",
    }
    engine = create_engine(config.database_url, connect_args=options, **pool)
    event.listen(engine, "checkin", _note_checkin)

    def ping_after_idling(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < _PING_AFTER_IDLE_S:
            return
        if not _is_alive(connection):
            raise exc.DisconnectionError

    event.listen(engine, "checkout", ping_after_idling)
    words, more = engine.dialect.create_connect_args(engine.url)
    for_raw = {**more, **options, "options": f"{options['options']} {_FIRST_ROWS}"}

    def connect() -> Any:
        connection = psycopg2.connect(*words, **for_raw)
        connection.autocommit = True
        return connection

    return engine, RawConnections(connect, _is_alive)


def _note_checkin(_connection: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _is_alive(connection: Any) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not connection.autocommit:
            connection.rollback()
    except psycopg2.Error:
        return False
    return True
