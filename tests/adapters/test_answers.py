"""Answers read at a glance: the same as http.client reads them, or left to it."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from gateway.adapters import answers
from gateway.adapters.answers import Plain

PLAIN = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 201 Created\r\ncontent-length:5\r\nX-Odd_Name.1: a:b\r\n\r\nhello",
    b"HTTP/1.1 500 Oh no\r\nDate: today\r\nContent-Length:\t3 \r\nConnection: Keep-Alive\r\n\r\n\x00\xff\n",
    b"HTTP/1.1 404 Not Found\r\nServer: s\r\nCONTENT-LENGTH: 4\r\nKeep-Alive: timeout=5\r\n\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9999,
]
NOT_PLAIN = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nO",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 500 Smuggled\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length : 3\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2,3\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n\r\nOK",
    b"HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nOK",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"x" * 10_000,
]


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The receiver's end and ours."""
    theirs, ours = socket.socketpair()
    ours.settimeout(5)
    with theirs, ours:
        yield theirs, ours


@pytest.mark.parametrize("said", PLAIN)
def test_a_plain_answer_is_what_http_client_makes_of_it(
    said: bytes, wire: tuple[socket.socket, socket.socket]
) -> None:
    glanced = answers.at_a_glance(said)
    theirs, ours = wire
    theirs.sendall(said)
    response = http.client.HTTPResponse(ours, method="POST")
    response.begin()
    assert glanced is not None
    assert (glanced.status, glanced.read(10_001)) == (response.status, response.read(10_001))
    assert (glanced.isclosed(), glanced.will_close) == (response.isclosed(), response.will_close)
    assert glanced.headers.get("Retry-After") is response.headers.get("Retry-After")


@pytest.mark.parametrize("said", NOT_PLAIN)
def test_what_is_not_plain_goes_the_long_way(said: bytes) -> None:
    assert answers.at_a_glance(said) is None


@pytest.mark.parametrize("said", PLAIN)
def test_a_plain_answer_in_two_pieces_is_read_all_the_same(
    said: bytes, wire: tuple[socket.socket, socket.socket]
) -> None:
    theirs, ours = wire
    theirs.sendall(said[:12])
    begun = ours.recv(12)
    theirs.sendall(said[12:])
    rest = answers._FinalAnswer(answers._Begun(begun, ours), method="POST")  # type: ignore[arg-type]
    rest.begin()
    glanced = answers.at_a_glance(said)
    assert isinstance(glanced, Plain)
    assert (rest.status, rest.read(10_001)) == (glanced.status, glanced.body)


def test_an_answer_that_never_begins_is_no_answer(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.shutdown(socket.SHUT_RDWR)
    with pytest.raises(http.client.RemoteDisconnected):
        answers.read(ours)
