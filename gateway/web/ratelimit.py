"""A limit for routes that anybody may call: so many requests a minute from one address.

Counted in each web process for itself. That is enough against a runaway
client; a flood is the business of whatever stands in front of the gateway.
"""

import threading
import time

from flask import request

from gateway.core import config
from gateway.core.errors import RateLimited

_WINDOW_S = 60
_MAX_ADDRESSES = 50_000

_lock = threading.Lock()
_counts: dict[str, int] = {}
_window = 0


def count_request() -> None:
    """Count this request against its sender's address.

    raises  RateLimited  more than RATE_LIMIT_PER_MINUTE in this minute
    """
    global _window
    now_s = time.time()
    window = int(now_s // _WINDOW_S)
    address = request.remote_addr or ""
    with _lock:
        if window != _window or len(_counts) >= _MAX_ADDRESSES:
            _counts.clear()
            _window = window
        _counts[address] = count = _counts.get(address, 0) + 1
    if count > limit_per_minute():
        wait_s = int((window + 1) * _WINDOW_S - now_s) + 1
        raise RateLimited("Too many requests from this address, please wait", retry_after=wait_s)


def limit_per_minute() -> int:
    return config.current().rate_limit_per_minute


def forget() -> None:
    """Begin to count anew."""
    with _lock:
        _counts.clear()
