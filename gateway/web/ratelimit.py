"""Limits for routes that anybody may call: so many requests a minute from one sender.

Counted in each web process for itself. That is enough against a runaway
client; a flood is the business of whatever stands in front of the gateway.
"""

import threading
import time

from flask import request

from gateway.core import config
from gateway.core.errors import RateLimited

_WINDOW_S = 60
_MAX_SENDERS = 50_000


class Limit:
    """At most so many a minute for each sender; a sender is an address, an account, …"""

    def __init__(self, per_minute: int | None = None) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._window = 0
        _limits.append(self)

    def count(self, sender: str) -> None:
        """Count one more of this sender.

        raises  RateLimited  more than the limit in this minute
        """
        now_s = time.time()
        window = int(now_s // _WINDOW_S)
        with self._lock:
            if window != self._window or len(self._counts) >= _MAX_SENDERS:
                self._counts.clear()
                self._window = window
            self._counts[sender] = count = self._counts.get(sender, 0) + 1
        if count > (self._per_minute or limit_per_minute()):
            wait_s = int((window + 1) * _WINDOW_S - now_s) + 1
            raise RateLimited("Too many requests from this address, please wait", retry_after=wait_s)

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()


_limits: list[Limit] = []
_open_routes = Limit()


def count_request() -> None:
    """Count this request against its sender's address.

    raises  RateLimited  more than RATE_LIMIT_PER_MINUTE in this minute
    """
    _open_routes.count(request.remote_addr or "")


def limit_per_minute() -> int:
    return config.current().rate_limit_per_minute


def forget() -> None:
    """Begin to count anew, everywhere."""
    for limit in _limits:
        limit.forget()
