"""Posts webhooks: a vetted address, a bounded time, a bounded answer, no redirects.

A merchant chooses the address, so it may be hostile. The name is resolved once
and the connection goes to that very address, so a name cannot point somewhere
else between the check and the call. Five seconds bound the whole attempt: a
slow resolver and an answer that drips in byte by byte included.
"""

import http.client
import socket
import ssl
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

from gateway.adapters import addresses, answers
from gateway.adapters.answers import Answer
from gateway.adapters.listener import Listener
from gateway.adapters.receivers import Kept, Target, target_of
from gateway.core.sending import Receipt

TIMEOUT_S = 5.0
MAX_KEPT_BYTES = 10_000


class _Attempt:
    """One post under way: what is sent, until when, and over which socket."""

    def __init__(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> None:
        self.url, self.body, self.headers = url, body, headers
        self.started = time.monotonic()
        self.deadline = self.started + timeout_s
        self.sock: socket.socket | None = None
        self.is_over = False

    def took_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def remaining_s(self) -> float:
        """Raises TimeoutError when nothing remains."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Begun(NamedTuple):
    """A kept connection over which a request is on its way: what is still to be sent, and what came back."""

    sock: socket.socket
    unsent: bytes
    heard: bytes | None = None


class Sender:
    """Keeps connections to receivers open between deliveries; shared by all threads.

    allow_private   also send to loopback and private addresses, such as a shop on
                    this machine; link-local ones (cloud metadata) never
    per_endpoint    how many connections are kept for one receiver
    threads         how many of those posts that were begun may wait at once
    """

    def __init__(
        self, *, allow_private: bool, per_endpoint: int = 16, threads: int = 16, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._watchdog = _Watchdog()
        self._kept = Kept(per_endpoint)
        self._listener = Listener()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sender")

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Receipt:
        """Send one webhook and say how it ended; never raises for what the network does."""
        return self._finish(self._attempt(url, body, headers))

    def begin(self, url: str, body: bytes, headers: dict[str, str]) -> Future[Receipt]:
        """The same without waiting for it.

        Over a kept connection the request goes out at once, and if the answer is short and
        plain no thread but the listener's has to do with it. All else is a thread's own affair.
        """
        attempt = self._attempt(url, body, headers)
        begun = self._begin(attempt)
        if begun is None or begun.unsent:
            return self._pool.submit(self._finish, attempt, begun)
        receipt = Future[Receipt]()
        self._listener.listen(begun.sock, lambda heard: self._hear(attempt, begun.sock, heard, receipt))
        return receipt

    def _attempt(self, url: str, body: bytes, headers: dict[str, str]) -> _Attempt:
        attempt = _Attempt(url, body, headers, self._timeout_s)
        self._watchdog.watch(attempt)
        return attempt

    def _begin(self, attempt: _Attempt) -> _Begun | None:
        """Send what a kept connection takes without waiting; None if there is no such connection."""
        try:
            target = target_of(attempt.url)
            request = _request(target, attempt.body, attempt.headers)
        except ValueError:
            return None  # nothing can be sent, and `_finish` says why
        sock = self._kept.take(target)
        if sock is None:
            return None
        attempt.sock = sock
        sock.setblocking(False)
        try:
            return _Begun(sock, request[sock.send(request) :])
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return _Begun(sock, request)
        except OSError:
            sock.close()
            return None

    def _hear(self, attempt: _Attempt, sock: socket.socket, heard: bytes, receipt: Future[Receipt]) -> None:
        try:
            answer = answers.at_a_glance(heard)
            if answer is None:
                whole = self._pool.submit(self._finish, attempt, _Begun(sock, b"", heard))
                whole.add_done_callback(lambda done: _hand_on(done, receipt))
                return
            attempt.is_over = True
            said = _receipt(attempt, answer, answer.body)
            self._kept.put(target_of(attempt.url), sock)
        except Exception as error:
            sock.close()
            receipt.set_exception(error)  # whoever waits would wait for ever
        else:
            receipt.set_result(said)

    def _finish(self, attempt: _Attempt, begun: _Begun | None = None) -> Receipt:
        try:
            answer, kept = self._post(attempt, begun)
        except addresses.Blocked as error:
            outcome, trouble = "blocked", str(error)
        except TimeoutError:
            outcome, trouble = "timeout", f"No answer within {self._timeout_s:g} s"
        except (http.client.HTTPException, OSError, ValueError) as error:
            outcome, trouble = "unreachable", _wording(error)
        else:
            return _receipt(attempt, answer, kept)
        return Receipt(outcome, attempt.took_ms(), error=trouble)

    def _post(self, attempt: _Attempt, begun: _Begun | None) -> tuple[Answer, bytes]:
        target = target_of(attempt.url)
        request = _request(target, attempt.body, attempt.headers)
        if begun is None and (kept := self._kept.take(target)) is not None:
            begun = _Begun(kept, request)
        try:
            connection, response = self._ask(attempt, target, request, begun)
            attempt.remaining_s()  # headers that the watchdog cut short read like whole ones
            kept_bytes = _keep(response)
        except (http.client.HTTPException, OSError):
            attempt.remaining_s()  # what the watchdog cut off is a timeout
            raise
        finally:
            attempt.is_over = True
        if response.isclosed() and not response.will_close:
            self._kept.put(target, connection)
        else:
            connection.close()
        return response, kept_bytes

    def _ask(
        self, attempt: _Attempt, target: Target, request: bytes, begun: _Begun | None
    ) -> tuple[socket.socket, Answer]:
        """Send the request and read the answer's head, over the connection where it has begun, if it has."""
        if begun is not None:
            try:
                return begun.sock, _exchange(attempt, begun)
            except TimeoutError:
                raise
            except (http.client.HTTPException, OSError):
                # A kept connection may be closed by the receiver at the very moment we use it.
                attempt.remaining_s()
        fresh = _connect(target, attempt, self._allow_private, self._tls)
        return fresh, _exchange(attempt, _Begun(fresh, request))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _request(target: Target, body: bytes, headers: dict[str, str]) -> bytes:
    """The whole request, to be sent at one go. Raises ValueError for headers that could not be sent."""
    own = {"Host": target.host_header, "Accept-Encoding": "identity", "Content-Length": str(len(body))}
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in (own | headers).items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header is one line")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _exchange(attempt: _Attempt, begun: _Begun) -> Answer:
    sock = attempt.sock = begun.sock
    try:
        sock.settimeout(attempt.remaining_s())
        if begun.unsent:
            sock.sendall(begun.unsent)
        return answers.read(sock, begun.heard)
    except BaseException:
        sock.close()
        raise


def _receipt(attempt: _Attempt, answer: Answer, body: bytes) -> Receipt:
    return Receipt(
        "success" if 200 <= answer.status < 300 else "refused",
        attempt.took_ms(),
        response_code=answer.status,
        response_body=_as_text(body[:MAX_KEPT_BYTES]),
        retry_after_s=_seconds(answer.headers.get("Retry-After")),
    )


def _hand_on(done: Future[Receipt], receipt: Future[Receipt]) -> None:
    error = done.exception()
    if error is None:
        receipt.set_result(done.result())
    else:
        receipt.set_exception(error)


class _Watchdog:
    """Shuts the connection of an attempt whose time is over, whatever its thread is waiting for.

    All attempts have the same timeout, so the order of starting is the order of ending.
    """

    def __init__(self) -> None:
        self._attempts: deque[_Attempt] = deque()
        self._started = threading.Event()
        threading.Thread(target=self._run, name="sender-watchdog", daemon=True).start()

    def watch(self, attempt: _Attempt) -> None:
        self._attempts.append(attempt)
        self._started.set()

    def _run(self) -> None:
        while True:
            if not self._attempts:
                self._started.wait()
                self._started.clear()
                continue
            attempt = self._attempts[0]
            left = attempt.deadline - time.monotonic()
            if left > 0 and not attempt.is_over:
                time.sleep(min(left, 0.25))
                continue
            self._attempts.popleft()
            if attempt.sock is not None and not attempt.is_over:
                try:
                    attempt.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it ended by itself in the meantime


def _connect(target: Target, attempt: _Attempt, allow_private: bool, tls: ssl.SSLContext) -> socket.socket:
    """A connection that goes only where webhooks may go, within the time of its attempt."""
    error: OSError | None = None
    for address in addresses.vetted(target.host, attempt.remaining_s(), allow_private):
        try:
            sock = socket.create_connection((address, target.port), attempt.remaining_s())
        except TimeoutError:
            raise
        except OSError as refusal:
            error = refusal
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(attempt.remaining_s())
        if not target.is_tls:
            return sock
        try:
            return tls.wrap_socket(sock, server_hostname=target.host.rstrip("."))
        except BaseException:
            sock.close()
            raise
    raise error or OSError("the name has no address")


def _keep(response: Answer) -> bytes:
    """The beginning of the answer."""
    try:
        return response.read(MAX_KEPT_BYTES + 1)
    except (http.client.HTTPException, OSError):
        return b""  # the status came in time, and that is what counts


def _as_text(kept: bytes) -> str:
    return kept.decode("utf-8", "replace").replace("\0", "\ufffd")


def _seconds(retry_after: str | None) -> int | None:
    """Retry-After in seconds; its other form, a date, is rare and ignored."""
    text = (retry_after or "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _wording(error: Exception) -> str:
    """What went wrong, without addresses of objects or of our own network."""
    if isinstance(error, socket.gaierror):
        return "The host name could not be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "Connection refused"
    if isinstance(error, ssl.SSLError):
        return "TLS: the certificate or handshake was not accepted"
    return f"Connection failed: {type(error).__name__}"
