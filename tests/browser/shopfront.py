"""A shop of somebody else's: one page from another origin, under a strict policy, that loads the SDK."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import FrameLocator, Page, expect

from tests.faults.town import Merchant, Town

_PAGE = """<!doctype html>
<html lang="en"><head><title>Shop</title><link rel="icon" href="data:,">{script}</head>
<body><h1>Shop</h1><button id="buy">Buy</button> <a href="#terms">Terms</a></body></html>
"""
_START = """
options => {
  window.told = [];
  const tell = name => value => { told.push(value === undefined ? [name] : [name, value]); };
  const names = ["Ready", "Success", "Failure", "Close"];
  const ears = Object.fromEntries(names.map(name => [`on${name}`, tell(name.toLowerCase())]));
  window.gateway = new PaymentGateway({...options, ...ears});
  document.getElementById("buy").focus();
  gateway.open().then(outcome => { window.outcome = outcome; });
}
"""


class Shop:
    """Serves its page at `url`; whatever is written there may run nothing but the gateway's script."""

    def __init__(self, town: Town, port: int) -> None:
        self.town = town
        self.url = f"http://127.0.0.1:{port}"
        self.gateway_url = f"http://localhost:{town.port}"
        self.script = f'<script src="{self.gateway_url}/checkout.js"></script>'

    def answer(self) -> tuple[dict[str, str], bytes]:
        policy = (
            f"default-src 'none'; script-src {self.gateway_url}; frame-src {self.gateway_url}; img-src data:"
        )
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        return headers, _PAGE.format(script=self.script).encode()

    def start(self, page: Page, merchant: Merchant, order: dict[str, Any], **options: Any) -> FrameLocator:
        """Open the checkout of this order, as the shop's button would; what is inside its frame."""
        if not page.url.startswith(self.url):
            page.goto(self.url)
        own = {"key": merchant.credentials["X-Api-Key"], "orderId": order["id"]}
        page.evaluate(_START, own | options)
        return page.frame_locator("[data-test-id=payment-iframe]")


@contextmanager
def open_shop(town: Town) -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers, body = shop.answer()
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop = Shop(town, server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(page: Page, name: str) -> None:
    """Wait until the shop's page has heard this."""
    page.wait_for_function("name => told.some(each => each[0] === name)", arg=name)


def modal_is_gone(page: Page) -> None:
    expect(page.locator("#payment-gateway-modal")).to_have_count(0)
