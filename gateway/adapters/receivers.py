"""Receivers of webhooks: their addresses taken apart, and connections to them kept open."""

import re
import select
import socket
import threading
from collections import OrderedDict, deque
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

_MAX_RECEIVERS = 256


class Target(NamedTuple):
    """An address taken apart. `host_header` names the port where it is not the usual one."""

    is_tls: bool
    host: str
    port: int
    path: str
    host_header: str


@lru_cache(maxsize=1024)
def target_of(url: str) -> Target:
    """Raises ValueError for what is no http or https address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address")
    is_tls = parts.scheme == "https"
    port = parts.port if parts.port is not None else 443 if is_tls else 80
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    if not path.isascii() or re.search(r"[\x00-\x20\x7f]", path):
        raise ValueError("a path holds plain characters only")
    # RFC 6874: the zone of a link-local address, `%25lo`, is for this machine and not for the header.
    host = parts.hostname.replace("%25", "%")
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    header = shown if port == (443 if is_tls else 80) else f"{shown}:{port}"
    return Target(is_tls, host, port, path, header)


class Kept:
    """Open connections by receiver, the one used last on top; the receivers used longest ago are let go."""

    def __init__(self, per_receiver: int) -> None:
        self._per_receiver = per_receiver
        self._lock = threading.Lock()
        self._idle: OrderedDict[Target, deque[socket.socket]] = OrderedDict()

    def take(self, target: Target) -> socket.socket | None:
        """One that the receiver has not closed in the meantime, if there is any."""
        while True:
            with self._lock:
                idle = self._idle.get(_receiver(target))
                sock = idle.pop() if idle else None
            if sock is None or not _has_something_to_say(sock):
                return sock
            sock.close()

    def put(self, target: Target, sock: socket.socket) -> None:
        dropped: list[socket.socket] = []
        with self._lock:
            receiver = _receiver(target)
            idle = self._idle.setdefault(receiver, deque())
            self._idle.move_to_end(receiver)
            idle.append(sock)
            if len(idle) > self._per_receiver:
                dropped.append(idle.popleft())
            if len(self._idle) > _MAX_RECEIVERS:
                dropped.extend(self._idle.popitem(last=False)[1])
        for each in dropped:
            each.close()


def _receiver(target: Target) -> Target:
    return target._replace(path="")


def _has_something_to_say(sock: socket.socket) -> bool:
    """Whether an idle connection was closed, or holds what nobody asked for; either way it is of no use."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
