"""Odd, huge, broken and half-sent HTTP against the real server: refused, nothing stored, nobody hurt."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest

from tests.faults.town import Merchant, Town

CODES = {
    400: "BAD_REQUEST_ERROR",
    401: "AUTHENTICATION_ERROR",
    404: "NOT_FOUND_ERROR",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
}
# Many times the threads of both web processes.
CROWD = 100


def order_with(*headers: bytes, body: bytes = b'{"amount":50000}') -> bytes:
    """A request for an order; its Content-Length is right unless the headers say something else."""
    named = b" ".join(headers)
    if b"Content-Length" not in named and b"Transfer-Encoding" not in named:
        headers = (*headers, b"Content-Length: %d" % len(body))
    return b"\r\n".join([b"POST /api/v1/orders HTTP/1.1", *headers, b"", body])


def asking(line: bytes) -> bytes:
    return line + b" HTTP/1.1\r\n"


def chunks(body: bytes, size: int = 65536) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


HUGE = b'{"amount":50000,"receipt":"%s"}' % (b"x" * 1024 * 1024)
CHUNKED = b"Transfer-Encoding: chunked"
ODD = {
    "a huge body": (413, order_with(body=HUGE)),
    "a huge body in chunks": (413, order_with(CHUNKED, body=chunks(HUGE))),
    "a terabyte announced": (413, order_with(b"Content-Length: 1000000000000")),
    "a huge body asked for": (413, order_with(b"Expect: 100-continue", b"Content-Length: 1048576", body=b"")),
    "broken chunks": (400, order_with(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n")),
    "no body": (400, order_with(body=b"")),
    "a deep body": (400, order_with(body=b'{"amount":' + b"[" * 50_000)),
    "a body that is no UTF-8": (400, order_with(body=b'{"amount":50000,"receipt":"\xff"}')),
    "a body that is no gzip": (400, order_with(b"Content-Encoding: gzip", body=b"\x1f\x8b\x08")),
    "a form": (400, order_with(b"Content-Type: application/x-www-form-urlencoded", body=b"amount=50000")),
    "a key of 300 characters": (400, order_with(b"Idempotency-Key: " + b"k" * 300)),
    "an empty key": (400, order_with(b"Idempotency-Key:")),
    "a key that is no UTF-8": (400, order_with(b"Idempotency-Key: \xff\xfe")),
    "a key in Devanagari": (400, order_with("Idempotency-Key: कुंजी".encode())),
    "NUL in the query": (400, asking(b"GET /api/v1/webhooks?limit=%00")),
    "no UTF-8 in the query": (400, asking(b"GET /api/v1/webhooks?limit=%ff&offset=%fe")),
    "a number of 5000 digits": (400, asking(b"GET /api/v1/webhooks?limit=" + b"1" * 5000)),
    "no UTF-8 in the path": (404, asking(b"GET /api/v1/payments/%ff%fe")),
    "no UTF-8 in a path to nowhere": (404, asking(b"GET /%ff")),
    "Devanagari in the path": (404, asking("GET /api/v1/payments/आशा".encode())),
    "NUL in a payment's id": (404, asking(b"GET /api/v1/payments/pay_%00")),
    "NUL in an order's id": (404, asking(b"GET /api/v1/orders/order_%00%00/public")),
    "NUL in a delivery's id": (404, asking(b"POST /api/v1/webhooks/%00/retry")),
    "climbing": (404, asking(b"GET /api/v1/../../wsgi.py")),
    "a proxy's method": (404, asking(b"CONNECT example.com:443")),
    "an unknown method": (405, asking(b"BREW /api/v1/orders")),
    "TRACE": (405, asking(b"TRACE /health")),
    "a method of others": (405, asking(b"DELETE /api/v1/orders")),
}
NOBODY = {
    "no UTF-8": b"X-Api-Key: \xff\xfe\r\nX-Api-Secret: \xff",
    "a secret that is no UTF-8": b"X-Api-Key: key_test_abc123\r\nX-Api-Secret: \xff",
    "Devanagari": "X-Api-Key: कुंजी\r\nX-Api-Secret: राज़".encode(),
    "Basic without anything": b"Authorization: Basic",
    "Basic without base64": b"Authorization: Basic \xff\xfe",
    "Basic without a colon": b"Authorization: Basic ////",
}
NO_HTTP = {
    "raw bytes in the path": (400, asking(b"GET /health\xff")),
    "NUL in the query": (400, asking(b"GET /health?a=\x00")),
    "NUL in a header": (400, asking(b"GET /health") + b"X-A: \x00\r\n"),
    "HTTP/9.9": (400, b"GET /health HTTP/9.9\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\r\n"),
    "a negative length": (400, order_with(b"Content-Length: -3")),
    "two lengths": (400, order_with(b"Content-Length: 3", b"Content-Length: 5")),
    "a path of 70 kB": (414, asking(b"GET /health?" + b"a" * 70_000)),
    "300 headers": (431, asking(b"GET /health") + b"X-A: 1\r\n" * 300),
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class Wire:
    """Writes requests byte by byte, under the merchant's name."""

    def __init__(self, merchant: Merchant) -> None:
        self.port = merchant.town.port
        self.credentials = b"".join(
            f"{each}: {merchant.credentials[each]}\r\n".encode() for each in merchant.credentials
        )

    def ask(self, request: bytes) -> Answer:
        """What comes back for a request that this merchant signs."""
        return self.ask_raw(self.signed(request))

    def ask_raw(self, raw: bytes) -> Answer:
        with self.connect() as connection:
            # The server may answer before it has heard everything, so speak and listen at once.
            speaking = threading.Thread(target=speak, args=(connection, raw))
            speaking.start()
            response = HTTPResponse(connection, method=raw.split()[0].decode("latin-1"))
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, headers, response.read())
            speaking.join()
        return answer

    def signed(self, request: bytes) -> bytes:
        """The request with the merchant's credentials, as the last one on its connection."""
        line, _, rest = request.partition(b"\r\n")
        own = b"Host: localhost\r\nConnection: close\r\n" + self.credentials
        return line + b"\r\n" + own + (rest if b"\r\n\r\n" in request else rest + b"\r\n")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)


def speak(connection: socket.socket, raw: bytes) -> None:
    with contextlib.suppress(OSError):  # the server has heard enough
        connection.sendall(raw)


@pytest.fixture(scope="module")
def merchant(founded: Town) -> Merchant:
    """One for all tests here, as nothing they do leaves a trace."""
    return founded.new_merchant()


@pytest.fixture
def wire(town: Town, merchant: Merchant) -> Iterator[Wire]:
    """A line to the API, over which no test here gets anything stored or broken."""
    web_processes, said = town.web.children(), town.web.said()
    yield Wire(merchant)
    for table in ("orders", "payments", "events", "idempotency_keys"):
        assert merchant.count(table) == 0
    assert town.web.children() == web_processes
    assert town.web.said() == said
    assert town.says("healthy")


@pytest.mark.parametrize(("status", "request_bytes"), ODD.values(), ids=ODD)
def test_odd_requests_are_refused_in_the_words_of_the_contract(
    wire: Wire, status: int, request_bytes: bytes
) -> None:
    answer = wire.ask(request_bytes)
    assert (answer.status, answer.code) == (status, CODES[status])
    assert answer.headers["x-request-id"] == json.loads(answer.body)["error"]["request_id"]


@pytest.mark.parametrize("credentials", NOBODY.values(), ids=NOBODY)
def test_credentials_that_are_no_text_are_nobodys(wire: Wire, credentials: bytes) -> None:
    answer = wire.ask_raw(order_with(credentials, b"Connection: close"))
    assert (answer.status, answer.code) == (401, CODES[401])


@pytest.mark.parametrize(("status", "raw"), NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_by_the_server_itself(wire: Wire, status: int, raw: bytes) -> None:
    answer = wire.ask(raw)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("path", [b"/health", b"/api/v1/webhooks"])
def test_head_is_get_without_the_body(wire: Wire, path: bytes) -> None:
    got, told = wire.ask(asking(b"GET " + path)), wire.ask(asking(b"HEAD " + path))
    assert (told.status, told.body) == (got.status, b"") == (200, b"")
    assert told.headers["content-length"] == str(len(got.body))


def test_http_1_0_is_understood(wire: Wire) -> None:
    assert wire.ask_raw(b"GET /health HTTP/1.0\r\n\r\n").status == 200
    refused = wire.ask_raw(order_with(wire.credentials.strip(), body=b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (refused.status, json.loads(refused.body)["error"]["field"]) == (400, "amount")


@pytest.mark.parametrize(
    ("status", "path"), [(401, b"/api/v1/orders"), (404, b"/nowhere"), (405, b"/health")]
)
def test_a_refusal_does_not_cost_the_client_its_connection(wire: Wire, status: int, path: bytes) -> None:
    with wire.connect() as connection:
        for _ in range(2):
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n" % path)
            # Most clients send the body in a packet of its own. A server that has answered by then,
            # closes, and whoever uses the connection next gets no answer.
            time.sleep(0.05)
            connection.sendall(b"{}")
            response = HTTPResponse(connection)
            response.begin()
            assert (response.status, json.loads(response.read())["error"]["code"]) == (status, CODES[status])


HALF_AN_ORDER = order_with(b"Idempotency-Key: half")[:-8]


def test_clients_that_leave_in_the_middle_of_a_body_are_forgotten(wire: Wire) -> None:
    for _ in range(CROWD):
        with wire.connect() as connection:
            connection.sendall(wire.signed(HALF_AN_ORDER))
    assert wire.ask(asking(b"GET /health/live")).status == 200
