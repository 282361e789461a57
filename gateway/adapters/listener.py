"""Hears many connections in one thread: a thread for each would cost more than what it waits for."""

import logging
import selectors
import socket
import ssl
import threading
from collections.abc import Callable

from gateway.adapters.answers import AT_ONCE

log = logging.getLogger(__name__)

Hear = Callable[[bytes], None]


class Listener:
    """Its one thread starts with the first connection, and lives as long as the process.

    A selector takes new connections while it waits: epoll and kqueue, which
    Linux and macOS choose, do so by themselves.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def listen(self, sock: socket.socket, hear: Hear) -> None:
        """Call `hear` once, with the first bytes that come; with none where the connection has ended.

        sock  must not block. `hear` must not wait, for everybody else waits behind it
        """
        self._selector.register(sock, selectors.EVENT_READ, hear)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                sock: socket.socket = key.fileobj  # type: ignore[assignment]
                try:
                    heard = sock.recv(AT_ONCE)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                except OSError:
                    heard = b""
                self._selector.unregister(sock)
                try:
                    key.data(heard)
                except Exception:
                    log.exception("what a connection said could not be taken")
