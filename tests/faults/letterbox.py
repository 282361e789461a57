"""Where a merchant's webhooks arrive: it keeps every one, and behaves as the test asks."""

import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Letter:
    """One webhook as it came in: header names in lower case, the body's exact bytes."""

    headers: dict[str, str]
    body: bytes = field(repr=False)
    received_at: float

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> str:
        return self.headers["x-webhook-event"]

    @property
    def attempt(self) -> int:
        return int(self.headers["x-webhook-attempt"])

    @property
    def sequence(self) -> int:
        return int(self.json["sequence"])

    def is_signed_with(self, secret: str) -> bool:
        signature = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature, self.headers["x-webhook-signature"])


class Letterbox(ThreadingHTTPServer):
    """A receiver on a free port.

    status  what it answers
    hold_s  how long it waits before it does
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/webhook"
        self.letters: list[Letter] = []
        self.status = 200
        self.hold_s = 0.0
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.shutdown()
        self.server_close()

    def take(self, letter: Letter) -> int:
        self.letters.append(letter)
        self._closing.wait(self.hold_s)
        return self.status

    def handle_error(self, *_: object) -> None:
        """A sender that left before it was answered is part of the story."""

    @property
    def events(self) -> Counter[str]:
        """How many letters came of each event."""
        return Counter(letter.event for letter in list(self.letters))


class _Handler(BaseHTTPRequestHandler):
    server: Letterbox
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed in the middle of it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.server.take(Letter(headers, body, time.monotonic())))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
