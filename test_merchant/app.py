"""The shop's pages, and the door where webhooks arrive."""

import hashlib
import re
import secrets
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from test_merchant import orders
from test_merchant.inbox import LONGEST_TEXT, Arrival, Inbox, read_event
from test_merchant.settings import Settings
from test_merchant.signature import verify
from test_merchant.standard_webhook import verify_standard

MAX_BODY_BYTES = 256 * 1024
BUY_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")

pages = Blueprint("pages", __name__)


class Shop:
    """What one open shop holds: its settings, its inbox, and how often it still has to stumble."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inbox = Inbox()
        self._stumbles_left = settings.fail_first_n
        self._lock = threading.Lock()

    def stumbles(self) -> bool:
        """Whether this post is one of the first FAIL_FIRST_N, which get a 500."""
        with self._lock:
            self._stumbles_left -= 1
            return self._stumbles_left >= 0


def create_app(settings: Settings) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions["shop"] = Shop(settings)
    app.register_blueprint(pages)
    app.after_request(_keep_to_ourselves)
    return app


@pages.get("/")
def show_item() -> ResponseReturnValue:
    # One key per showing of the page: pressing twice, or reloading the answer, buys once.
    page = Response(render_template("item.html", item=orders.ITEM, buy_key=secrets.token_urlsafe(16)))
    page.headers["Cache-Control"] = "no-store"
    return page


@pages.post("/buy")
def buy() -> ResponseReturnValue:
    shop = _shop()
    given_key = request.form.get("buy_key", "")
    buy_key = given_key if BUY_KEY.fullmatch(given_key) else secrets.token_urlsafe(16)
    try:
        order_id = orders.create(shop.settings, buy_key)
    except orders.NoOrder as problem:
        return render_template("no_order.html", problem=problem, buy_key=buy_key), 502
    return redirect(f"{shop.settings.checkout_url}/checkout?{urlencode({'order_id': order_id})}", 303)


@pages.post("/webhook")
def receive_webhook() -> ResponseReturnValue:
    shop = _shop()
    raw_body = request.get_data()  # the bytes as they came: a body parsed and written again may differ
    signature = request.headers.get("X-Webhook-Signature", "")
    is_genuine = verify(raw_body, signature, shop.settings.webhook_secret)
    event = read_event(raw_body) if is_genuine else None

    if shop.stumbles():
        status, text = 500, "failing on purpose (FAIL_FIRST_N)"
    elif not is_genuine:
        status, text = 401, "X-Webhook-Signature does not fit this body and the shop's secret"
    elif event is None:
        status, text = 400, "signed, but no JSON object"
    else:
        status, text = 200, "ok"

    # `add` is True once per event, however often it is delivered: a shop with goods ships them only then.
    shop.inbox.add(_arrival(raw_body, is_genuine, event or {}, status))
    time.sleep(shop.settings.slow_ms / 1000)
    return Response(text, status, mimetype="text/plain")


@pages.get("/events")
def show_events() -> ResponseReturnValue:
    return render_template("events.html", **_events_view())


@pages.get("/events/list")
def list_events() -> ResponseReturnValue:
    fragment = Response(render_template("_events.html", **_events_view()))
    fragment.headers["Cache-Control"] = "no-cache"
    fragment.set_etag(hashlib.sha256(fragment.get_data()).hexdigest()[:32])
    return fragment.make_conditional(request)


@pages.get("/events.json")
def dump_events() -> ResponseReturnValue:
    return jsonify([asdict(arrival) for arrival in _shop().inbox.newest_first()])


@pages.delete("/events.json")
def clear_events() -> ResponseReturnValue:
    _shop().inbox.clear()
    return "", 204


@pages.get("/health")
def health() -> ResponseReturnValue:
    return {"status": "ok"}


def _shop() -> Shop:
    shop: Shop = current_app.extensions["shop"]
    return shop


def _arrival(raw_body: bytes, is_genuine: bool, event: dict[str, Any], status: int) -> Arrival:
    message_id, timestamp, signatures = (
        request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    secret = _shop().settings.webhook_secret
    # The id in the body comes first: both signatures cover it, the header's only one.
    event_id = event.get("id") or message_id[:LONGEST_TEXT] or None
    return Arrival(
        **event | {"id": event_id},
        received_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        answer=status,
        signature_ok=is_genuine,
        standard_ok=verify_standard(raw_body, message_id, timestamp, signatures, secret, time.time()),
        attempt=_attempt(),
    )


def _attempt() -> int | None:
    text = request.headers.get("X-Webhook-Attempt", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _events_view() -> dict[str, object]:
    # The address as this reader reached the shop; from inside a container the gateway may need another name.
    webhook_url = url_for("pages.receive_webhook", _external=True)
    return {"arrivals": _shop().inbox.newest_first(), "webhook_url": webhook_url}


def _keep_to_ourselves(response: Response) -> Response:
    # The payment SDK will want script-src and frame-src of the checkout's address here.
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
