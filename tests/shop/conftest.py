"""A gateway that answers what it is told to, and shops that buy from it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask.testing import FlaskClient

from test_merchant.app import create_app
from test_merchant.settings import Settings

CHECKOUT_URL = "http://pay.test:3001"


class ScriptedGateway:
    """Answers on a real socket with what it was told to, and keeps what it was asked.

    body   what every POST gets; empty means a new order each time, the same one for the same key
    said   what GET says of an order, beside what was ordered
    """

    def __init__(self) -> None:
        self.status, self.body = 201, b""
        self.said: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.looks: list[str] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.asked.append((self.path, dict(self.headers.items()), body))
                self.answer(
                    gateway.status, gateway.body or gateway.order(self.headers["Idempotency-Key"], body)
                )

            def do_GET(self) -> None:
                gateway.looks.append(self.path)
                order = next((each for each in gateway.orders.values() if self.path.endswith(each["id"])), {})
                self.answer(200, json.dumps(order | gateway.said).encode())

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def order(self, key: str, asked: dict[str, Any]) -> bytes:
        with self.lock:
            new = {"id": f"order_{len(self.orders):016d}", "status": "created", **asked}
            return json.dumps(self.orders.setdefault(key, new)).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    scripted = ScriptedGateway()
    yield scripted
    scripted.close()


OpenShop = Callable[..., FlaskClient]


@pytest.fixture
def open_shop(gateway: ScriptedGateway) -> OpenShop:
    """A browser in a shop of these settings that buys from the scripted gateway."""

    def open_shop(**more: Any) -> FlaskClient:
        configured = Settings(gateway_url=gateway.url, checkout_url=CHECKOUT_URL, **more)
        return create_app(configured).test_client()

    return open_shop


@pytest.fixture
def buyer(open_shop: OpenShop) -> FlaskClient:
    return open_shop()
