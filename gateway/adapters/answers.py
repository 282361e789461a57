"""What a receiver answers, read off its connection.

Nearly every answer is short, plain and there at once; it is read at a glance.
All others go the long way through http.client, which parses headers as e-mail
does and costs several times as much.
"""

import http.client
import io
import re
import socket
from typing import Any, NamedTuple, cast

AT_ONCE = 65_536
_HEAD = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: [^\r\n]*)?\r\n(?:[\w!#$%&'*+.^`|~-]+:[^\r\n]*\r\n)*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,4})[ \t]*\r\n", re.IGNORECASE)
# Whatever changes how an answer is read, or what follows from it.
_NOT_PLAIN = re.compile(
    rb"\r\n(?:transfer-encoding|retry-after|upgrade):|\r\nconnection:(?![ \t]*keep-alive[ \t]*\r\n)",
    re.IGNORECASE,
)
_WITHOUT_BODY = (b"204", b"205", b"304")


class Plain(NamedTuple):
    """A whole answer, as far as it is asked of an `HTTPResponse`."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    will_close: bool = False

    def read(self, most: int) -> bytes:
        return self.body[:most]

    def isclosed(self) -> bool:
        """Whether all of it was read, so that the connection may serve again."""
        return True


Answer = Plain | http.client.HTTPResponse


def read(sock: socket.socket, begun: bytes | None = None) -> Answer:
    """The next answer, at least its head. Raises HTTPException, OSError.

    begun  what of it was received before; nothing where the connection has ended
    """
    if begun is None:
        begun = sock.recv(AT_ONCE)
    plain = at_a_glance(begun)
    if plain is not None:
        return plain
    response = _FinalAnswer(cast(socket.socket, _Begun(begun, sock)), method="POST")
    response.begin()
    lengths = ",".join(response.headers.get_all("Content-Length", []))
    if len({length.strip() for length in lengths.split(",")}) > 1:
        raise http.client.HTTPException("two lengths: nobody knows where the next answer begins")
    return response


def at_a_glance(answer: bytes) -> Plain | None:
    """The answer if it is whole, and nothing in its head asks for more than that."""
    head = _HEAD.match(answer)
    if head is None or head[1] in _WITHOUT_BODY or _NOT_PLAIN.search(head[0]):
        return None
    # The blank line belongs to the last header, too.
    length = _LENGTH.search(head[0])
    if length is None or head[0].lower().count(b"\ncontent-length") > 1:
        return None
    body = answer[head.end() :]
    return Plain(int(head[1]), body) if len(body) == int(length[1]) else None


class _FinalAnswer(http.client.HTTPResponse):
    """Reads past every interim answer; http.client itself knows only 100."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        while 102 <= status < 200:
            http.client.parse_headers(self.fp)
            version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, status, reason


class _Begun:
    """A socket, for reading, of whose answer the beginning was read before."""

    def __init__(self, begun: bytes, sock: socket.socket) -> None:
        self._begun = begun
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Rest(self._begun, self._sock))


class _Rest(io.RawIOBase):
    def __init__(self, begun: bytes, sock: socket.socket) -> None:
        self._begun = begun
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        if not self._begun:
            return self._sock.recv_into(room)
        size = min(len(room), len(self._begun))
        room[:size], self._begun = self._begun[:size], self._begun[size:]
        return size
