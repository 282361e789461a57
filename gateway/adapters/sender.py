"""Posts webhooks: a vetted address, a bounded time, a bounded answer, no redirects.

A merchant chooses the address, so it may be hostile. The name is resolved once
and the connection goes to that very address, so a name cannot point somewhere
else between the check and the call. Five seconds bound the whole attempt: a
slow resolver and an answer that drips in byte by byte included.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

from gateway.adapters import answers
from gateway.adapters.answers import Answer
from gateway.adapters.receivers import Kept, Target, target_of
from gateway.core.sending import Receipt

TIMEOUT_S = 5.0
MAX_KEPT_BYTES = 10_000

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

# Where clouds tell a machine its own secrets, apart from the link-local addresses.
_METADATA = {ipaddress.ip_address("100.100.100.200"), ipaddress.ip_address("fd00:ec2::254")}

_resolver = ThreadPoolExecutor(16, thread_name_prefix="resolver")
_lookups: dict[str, Future[list[Any]]] = {}
_lookups_lock = threading.Lock()


class Blocked(Exception):
    """The address is one that webhooks may not go to."""


class _Attempt:
    """One post under way: until when, and over which socket."""

    def __init__(self, timeout_s: float, allow_private: bool) -> None:
        self.deadline = time.monotonic() + timeout_s
        self.allow_private = allow_private
        self.sock: socket.socket | None = None
        self.is_over = False

    def remaining_s(self) -> float:
        """Raises TimeoutError when nothing remains."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Sender:
    """Keeps connections to receivers open between deliveries; shared by all sender threads.

    allow_private   also send to loopback and private addresses, such as a shop on
                    this machine; link-local ones (cloud metadata) never
    per_endpoint    how many connections are kept for one receiver
    """

    def __init__(self, *, allow_private: bool, per_endpoint: int = 16, timeout_s: float = TIMEOUT_S) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._watchdog = _Watchdog()
        self._kept = Kept(per_endpoint)

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Receipt:
        """Send one webhook and say how it ended; never raises for what the network does."""
        started = time.monotonic()
        try:
            code, kept, wait_s = self._post(url, body, headers)
        except Blocked as error:
            outcome, details = "blocked", dict[str, Any](error=str(error))
        except TimeoutError:
            outcome, details = "timeout", {"error": f"No answer within {self._timeout_s:g} s"}
        except (http.client.HTTPException, OSError, ValueError) as error:
            outcome, details = "unreachable", {"error": _wording(error)}
        else:
            outcome = "success" if 200 <= code < 300 else "refused"
            details = {"response_code": code, "response_body": kept, "retry_after_s": wait_s}
        return Receipt(outcome, round((time.monotonic() - started) * 1000), **details)

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, int | None]:
        target = target_of(url)
        attempt = _Attempt(self._timeout_s, self._allow_private)
        self._watchdog.watch(attempt)
        try:
            connection, response = self._ask(attempt, target, _request(target, body, headers))
            attempt.remaining_s()  # headers that the watchdog cut short read like whole ones
            kept = _keep(response)
        except (http.client.HTTPException, OSError):
            attempt.remaining_s()  # what the watchdog cut off is a timeout
            raise
        finally:
            attempt.is_over = True
        if response.isclosed() and not response.will_close:
            self._kept.put(target, connection)
        else:
            connection.close()
        return response.status, kept, _seconds(response.headers.get("Retry-After"))

    def _ask(self, attempt: _Attempt, target: Target, request: bytes) -> tuple[socket.socket, Any]:
        """Send the request and read the answer's head, over a kept connection if there is one."""
        kept = self._kept.take(target)
        if kept is not None:
            try:
                return kept, _exchange(attempt, kept, request)
            except TimeoutError:
                raise
            except (http.client.HTTPException, OSError):
                # A kept connection may be closed by the receiver at the very moment we use it.
                attempt.remaining_s()
        fresh = _connect(target, attempt, self._tls)
        return fresh, _exchange(attempt, fresh, request)

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


def _exchange(attempt: _Attempt, sock: socket.socket, request: bytes) -> Answer:
    attempt.sock = sock
    try:
        sock.settimeout(attempt.remaining_s())
        sock.sendall(request)
        return answers.read(sock)
    except BaseException:
        sock.close()
        raise


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


def _connect(target: Target, attempt: _Attempt, tls: ssl.SSLContext) -> socket.socket:
    """A connection that goes only where webhooks may go, within the time of its attempt."""
    error: OSError | None = None
    for address in _vetted_addresses(target.host, attempt):
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


def _vetted_addresses(host: str, attempt: _Attempt) -> list[str]:
    answers = _look_up(host).result(attempt.remaining_s())
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    allowed = [address for address in found if is_allowed(address, attempt.allow_private)]
    if not allowed:
        raise Blocked("Webhooks may not be sent to this address")
    return allowed


def _look_up(host: str) -> Future[list[Any]]:
    """Ask for a name once at a time; others who want it wait too, so a hanging name holds one thread."""
    with _lookups_lock:
        under_way = _lookups.get(host)
        if under_way is None:
            under_way = _resolver.submit(socket.getaddrinfo, host, None, 0, socket.SOCK_STREAM)
            _lookups[host] = under_way
            under_way.add_done_callback(lambda _: _lookups.pop(host, None))
        return under_way


def is_allowed(address: str, allow_private: bool) -> bool:
    """Whether a webhook may go to this IP address, or to the IPv4 address hidden in it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    hidden = _hidden_ipv4(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if hidden is not None:
        return is_allowed(str(hidden), allow_private)
    if ip.is_multicast or ip.is_unspecified or ip.is_link_local or ip in _METADATA:
        return False
    return allow_private or (ip.is_global and not getattr(ip, "is_site_local", False))


def _hidden_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway on the way would make of it: mapped, compatible, 6to4, NAT64."""
    if ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _keep(response: Answer) -> str:
    """The beginning of the answer as text."""
    try:
        raw = response.read(MAX_KEPT_BYTES + 1)
    except (http.client.HTTPException, OSError):
        raw = b""  # the status came in time, and that is what counts
    return raw[:MAX_KEPT_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")


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
