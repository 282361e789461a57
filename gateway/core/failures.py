"""What can go wrong with a database, in our words: the drivers' texts quote the values of the row."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.errors
from sqlalchemy import exc

from gateway.core.errors import Busy, Unavailable

log = logging.getLogger(__name__)


class Conflict(Exception):
    """A unique constraint of `table` refused the commit: somebody else was first."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class StatementFailed(Exception):
    """The database refused a statement for what it says: a bug of ours. Values are left out."""

    def __init__(self, cause: BaseException) -> None:
        diag = getattr(cause, "diag", None)
        if diag is None:
            super().__init__(f"{type(cause).__name__}: {cause}")
        else:
            super().__init__(f"{type(cause).__name__} on {diag.table_name}, {diag.constraint_name}")


_LOCKS = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, sqlite3.OperationalError, exc.TimeoutError)


@contextmanager
def translated(on_lost_connection: Callable[[], None]) -> Iterator[None]:
    """Turn the drivers' errors into Conflict, Busy, Unavailable, or StatementFailed."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg2.Error, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        lost = isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError))
        if lost and not isinstance(cause, _LOCKS):
            on_lost_connection()
        raise _in_our_words(cause) from None


def _in_our_words(cause: BaseException) -> Exception:
    if isinstance(cause, psycopg2.errors.UniqueViolation):
        return Conflict(cause.diag.table_name or "")
    if isinstance(cause, sqlite3.IntegrityError) and "UNIQUE" in str(cause):
        return Conflict(str(cause).split(": ")[1].split(".")[0])
    if isinstance(cause, _LOCKS) or _is_locked(cause):
        return Busy("The database is busy, please try again", retry_after=1)
    if not isinstance(cause, _AWAY) or _is_nonsense(cause):
        return StatementFailed(cause)
    log.error("database: %s", type(cause).__name__)
    return Unavailable("The database is not available, please try again", retry_after=1)


def _is_locked(cause: BaseException) -> bool:
    return getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_nonsense(cause: BaseException) -> bool:
    """SQLite calls a statement that makes no sense an operational error, like a disk that is full."""
    return getattr(cause, "sqlite_errorname", None) == "SQLITE_ERROR"
