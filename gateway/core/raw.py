"""The drivers' own connections, for prepared statements: outside any transaction, borrowed and given back.

SQLAlchemy's pool does more at each borrowing than a look-up by id costs, so
these are kept beside it.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

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
        connection = self._take()
        try:
            result = do(connection)
        except Exception:
            self._give_back(connection)
            raise
        except BaseException:
            connection.close()  # stopped in the middle: nobody knows what it still has to say
            raise
        self._give_back(connection)
        return result

    def drop_idle(self) -> None:
        """One lost connection is rarely alone: the next ones are fresh."""
        while self._idle:
            self._idle.pop()[0].close()

    def close(self) -> None:
        """Close those that are idle now, and each other one as it comes back."""
        self._is_closed = True
        self.drop_idle()

    def _take(self) -> Any:
        try:
            connection, idle_since = self._idle.pop()
        except IndexError:
            return self._connect()
        if time.monotonic() - idle_since > _ASK_AFTER_IDLE_S and not self._is_alive(connection):
            connection.close()
            self.drop_idle()
            return self._connect()
        return connection

    def _give_back(self, connection: Any) -> None:
        if self._is_closed or getattr(connection, "closed", False):
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))
