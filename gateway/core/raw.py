"""The drivers' own connections, for prepared statements: outside any transaction, borrowed and given back.

SQLAlchemy's pool does more at each borrowing than a look-up by id costs, so
these are kept beside it.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.core import statements
from gateway.core.statements import Call

T = TypeVar("T")

_ASK_AFTER_IDLE_S = 5.0


class RawConnections:
    """Opened when none is idle, and never more than threads ask at once; the one used last goes first.

    connect   opens one
    is_alive  whether one that was idle for a while still answers
    """

    def __init__(self, connect: Callable[[], Any], is_alive: Callable[[Any], bool]) -> None:
        self._connect = connect
        self._is_alive = is_alive
        self._idle: deque[tuple[Any, float]] = deque()
        self._is_closed = False

    def use(self, do: Callable[[Any], T]) -> T:
        """What `do` makes of a connection. It leaves no transaction open, whatever happens."""
        connection = self.take()
        try:
            result = do(connection)
        except Exception:
            self.give_back(connection)
            raise
        except BaseException:
            connection.close()  # stopped in the middle: nobody knows what it still has to say
            raise
        self.give_back(connection)
        return result

    def drop_idle(self) -> None:
        """One lost connection is rarely alone: the next ones are fresh."""
        while True:
            try:
                connection, _ = self._idle.pop()
            except IndexError:
                return  # none is left, or another thread has just taken it
            connection.close()

    def close(self) -> None:
        """Close those that are idle now, and each other one as it comes back."""
        self._is_closed = True
        self.drop_idle()

    def take(self) -> Any:
        try:
            connection, idle_since = self._idle.pop()
        except IndexError:
            return self._connect()
        if time.monotonic() - idle_since > _ASK_AFTER_IDLE_S and not self._is_alive(connection):
            connection.close()
            self.drop_idle()
            return self._connect()
        return connection

    def give_back(self, connection: Any) -> None:
        if self._is_closed or getattr(connection, "closed", False):
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))


class RawTransaction:
    """A transaction over a raw connection. On PostgreSQL it begins with its first statement's message
    and ends with its last one's, so that neither costs one of its own."""

    def __init__(self, connections: RawConnections, is_sqlite: bool, begin: bytes = b"BEGIN") -> None:
        self._connections = connections
        self._is_sqlite = is_sqlite
        self._begin = begin
        self._connection = connections.take()
        self._is_open = False

    def run(self, calls: Sequence[Call]) -> Any:
        """Run the calls now and return the cursor of the last."""
        is_first, self._is_open = not self._is_open, True
        if not self._is_sqlite:
            return statements.run_postgresql(self._connection, calls, first=self._begin if is_first else b"")
        if is_first:
            self._connection.execute("BEGIN IMMEDIATE")
        return statements.run_sqlite(self._connection, calls)

    def commit(self, calls: Sequence[Call]) -> None:
        if self._is_sqlite:
            statements.run_sqlite(self._connection, calls)
            self._connection.execute("COMMIT")
        else:
            statements.run_postgresql(self._connection, calls, last=b"COMMIT")
        self._is_open = False

    def end(self) -> None:
        """Roll back what was not committed, and give the connection back."""
        try:
            if self._is_open and not getattr(self._connection, "closed", False):
                self._connection.cursor().execute("ROLLBACK")
        except Exception:
            # It died, or SQLite had rolled back by itself: the disk is full, or nothing had begun.
            self._connection.close()
            return
        self._connections.give_back(self._connection)
