"""Our own client against a server that does what the test says."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.bench import client
from gateway.bench.load import Requests

Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers each POST in a given way and says its port."""
    servers: list[ThreadingHTTPServer] = []

    def serve(answer: Callable[[BaseHTTPRequestHandler], None]) -> int:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def echo(handler: BaseHTTPRequestHandler) -> None:
    """The body back, in two pieces; a header in another case than usual."""
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.wfile.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n" % len(body))
    handler.wfile.flush()
    time.sleep(0.001)
    handler.wfile.write(body)


ECHO = Requests("POST", "/{n}", {"A": "b"}, "number {n}", numbers=5, key="k")


def test_it_asks_so_many_times_and_hears_every_answer(serve: Serve) -> None:
    heard: dict[int, bytes] = {}
    load = client.run(serve(echo), ECHO.text, 4, most=12, first=3, hear=heard.__setitem__)
    assert (load.answered, load.failures) == (12, 0)
    assert {at: answer.partition(b"\r\n\r\n")[2] for at, answer in heard.items()} == {
        at: b"number %016d" % (at % 5 + 1) for at in range(3, 15)
    }
    assert 0 < load.p50_ms <= load.p99_ms


def test_it_asks_for_so_long(serve: Serve) -> None:
    began = time.monotonic()
    load = client.run(serve(echo), ECHO.text, 2, seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    assert load.answered > 10


def test_it_keeps_a_pace(serve: Serve) -> None:
    began = time.monotonic()
    client.run(serve(echo), ECHO.text, 8, most=11, per_second=50)
    assert time.monotonic() - began >= 10 / 50


def test_it_counts_refusals(serve: Serve) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> None:
        echo_length = int(handler.headers["Content-Length"])
        handler.rfile.read(echo_length)
        handler.wfile.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    assert client.run(serve(refuse), ECHO.text, 2, most=6).failures == 6


def test_a_server_that_goes_away_is_said(serve: Serve) -> None:
    def leave(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    with pytest.raises(ConnectionError):
        client.run(serve(leave), ECHO.text, 1, most=2)


def test_a_server_that_falls_silent_is_said(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.2)
    with pytest.raises(TimeoutError):
        client.run(serve(lambda _: time.sleep(2)), ECHO.text, 1, most=1)


def test_keys_are_never_the_same_twice_unless_they_should_be() -> None:
    assert {ECHO.text(at).count(b"Idempotency-Key: k-%d\r\n" % at) for at in range(9)} == {1}
    same = Requests("POST", "/", {}, "{}", key="k", same_key=True)
    assert same.text(1) == same.text(2)
    assert b"Idempotency-Key" not in Requests("GET", "/", {}).text(0)
