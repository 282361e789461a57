"""A small client of our own, one thread with many connections: where wrk is missing or cannot do it."""

import contextlib
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from gateway.bench.load import Load

PATIENCE_S = 30.0
_LENGTH = b"\r\ncontent-length:"


@dataclass
class _Line:
    """One connection: what it asked, when, and what has come back so far."""

    sock: socket.socket
    at: int = -1
    asked_at: float = 0.0
    heard: bytearray = field(default_factory=bytearray)

    def ask(self, at: int, request: bytes) -> None:
        self.at, self.asked_at = at, time.monotonic()
        self.heard.clear()
        self.sock.sendall(request)

    def whole_answer(self) -> bytes | None:
        """The answer once all of it is there. Raises ConnectionError when it never will be."""
        with contextlib.suppress(BlockingIOError):
            piece = self.sock.recv(65_536)
            if not piece:
                raise ConnectionError("the server closed the connection")
            self.heard += piece
        end = self.heard.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.heard[:end]).lower() + b"\r\n"
        start = head.find(_LENGTH)
        length = int(head[start + len(_LENGTH) : head.index(b"\r\n", start + 2)]) if start >= 0 else 0
        return bytes(self.heard) if len(self.heard) >= end + 4 + length else None


def run(
    port: int,
    request: Callable[[int], bytes],
    connections: int,
    *,
    seconds: float | None = None,
    most: int | None = None,
    per_second: float | None = None,
    first: int = 0,
    hear: Callable[[int, bytes], Any] = lambda _at, _answer: None,
) -> Load:
    """Ask for so many seconds, or `most` times; each connection waits for its answer.

    request     the bytes of the request with this number
    per_second  begin requests at this pace rather than as fast as they are answered
    first       the number of the first request
    hear        is told each request's number and answer as it comes
    raises      ConnectionError, TimeoutError  the server went away or fell silent
    """
    latencies: list[float] = []
    failures = 0
    began = time.monotonic()
    ends_at = began + seconds if seconds is not None else float("inf")
    limit = most if most is not None else float("inf")
    with contextlib.ExitStack() as undo, selectors.DefaultSelector() as selector:
        idle = deque(_open(port, undo) for _ in range(connections))
        for line in idle:
            selector.register(line.sock, selectors.EVENT_READ, line)
        busy, begun, asked_at = 0, 0, began
        while True:
            now = time.monotonic()
            while idle and begun < limit and now < ends_at and _is_time(begun, began, now, per_second):
                line = idle.popleft()
                line.ask(first + begun, request(first + begun))
                begun, busy, asked_at = begun + 1, busy + 1, line.asked_at
            if not busy and (begun >= limit or now >= ends_at):
                break
            for key, _ in selector.select(0.5 if per_second is None else 0.001):
                line = key.data
                answer = line.whole_answer()
                if answer is None:
                    continue
                latencies.append(time.monotonic() - line.asked_at)
                failures += answer[9:10] not in b"23"
                hear(line.at, answer)
                idle.append(line)
                busy -= 1
            if busy and time.monotonic() - asked_at > PATIENCE_S:
                raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
    took_s = time.monotonic() - began
    return Load(len(latencies) / took_s, *percentiles_ms(latencies), len(latencies), failures)


def _is_time(begun: int, began: float, now: float, per_second: float | None) -> bool:
    return per_second is None or now >= began + begun / per_second


def _open(port: int, undo: contextlib.ExitStack) -> _Line:
    sock = undo.enter_context(socket.create_connection(("127.0.0.1", port), 5))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return _Line(sock)


def percentiles_ms(seconds: list[float]) -> tuple[float, float]:
    """The 50th and the 99th percentile in milliseconds."""
    if len(seconds) < 2:
        only = seconds[0] * 1000 if seconds else 0.0
        return only, only
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000
