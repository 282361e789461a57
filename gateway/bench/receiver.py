"""The shop that the webhooks go to: a process that verifies each signature and notes when it came.

`python gateway/bench/receiver.py PORT` listens on 127.0.0.1; the secret is in
WEBHOOK_SECRET. `GET /count` says how many genuine webhooks came, `GET /heard`
tells the payment id, event and moment of each, and how many were not genuine.
One thread with a selector, so that the shop costs the machine as little as it can.
"""

import hmac
import json
import os
import re
import selectors
import socket
import sys
import time
from typing import Any

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SIGNATURE = re.compile(rb"\r\nx-webhook-signature: *([0-9a-f]+)", re.IGNORECASE)


class Receiver:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._heard: list[tuple[str, str, float]] = []
        self._forged = 0

    def serve(self, port: int) -> None:
        with selectors.DefaultSelector() as selector, socket.create_server(("127.0.0.1", port)) as server:
            selector.register(server, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        sock, _address = server.accept()
                        selector.register(sock, selectors.EVENT_READ, bytearray())
                    elif not self._read(key.fileobj, key.data):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]

    def _read(self, sock: Any, heard: bytearray) -> bool:
        """Whether the connection goes on."""
        try:
            piece = sock.recv(65_536)
            heard += piece
            while (answer := self._take(heard)) is not None:
                sock.sendall(answer)
        except ConnectionError:
            return False
        return bool(piece)

    def _take(self, heard: bytearray) -> bytes | None:
        """The answer to the first whole request, which is taken off; None while there is none."""
        end = heard.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(heard[:end])
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(heard) < end + 4 + size:
            return None
        body = bytes(heard[end + 4 : end + 4 + size])
        del heard[: end + 4 + size]
        if head.startswith(b"GET /heard"):
            return _answer({"heard": self._heard, "forged": self._forged})
        return _answer(len(self._heard)) if head.startswith(b"GET") else self._note(head, body)

    def _note(self, head: bytes, body: bytes) -> bytes:
        given = _SIGNATURE.search(head)
        genuine = hmac.digest(self._secret, body, "sha256").hex().encode()
        if given is None or not hmac.compare_digest(given[1], genuine):
            self._forged += 1
            return ANSWER
        told = json.loads(body)
        self._heard.append((told["data"]["payment"]["id"], told["event"], time.monotonic()))
        return ANSWER


def _answer(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


if __name__ == "__main__":
    Receiver(os.environ["WEBHOOK_SECRET"]).serve(int(sys.argv[1]))
