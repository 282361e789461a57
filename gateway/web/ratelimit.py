"""Limits for routes that anybody may call: so many requests a minute from one sender.

Counted in each web process for itself. That is enough against a runaway
client; a flood is the business of whatever stands in front of the gateway.
"""

import threading
import time

from flask import request

from gateway.core import config
from gateway.core.errors import RateLimited

_MINUTE_S = 60.0
_MAX_SENDERS = 50_000


class Limit:
    """At most so many in a sender's minute, which begins with their first request.

    A sender is an address, an account, …
    """

    def __init__(self, per_minute: int | None = None) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        # When each sender's minute began, and how many came in it.
        self._minutes: dict[str, tuple[float, int]] = {}
        _limits.append(self)

    def count(self, sender: str) -> None:
        """Count one more of this sender.

        raises  RateLimited  more than the limit in this minute
        """
        now_s = time.monotonic()
        with self._lock:
            if len(self._minutes) >= _MAX_SENDERS:
                self._minutes.clear()
            began_s, count = self._minutes.get(sender, (now_s, 0))
            if now_s - began_s >= _MINUTE_S:
                began_s, count = now_s, 0
            self._minutes[sender] = began_s, count + 1
        if count >= (self._per_minute or limit_per_minute()):
            wait_s = int(began_s + _MINUTE_S - now_s) + 1
            raise RateLimited("Too many requests from this address, please wait", retry_after=wait_s)

    def forget(self) -> None:
        with self._lock:
            self._minutes.clear()


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
