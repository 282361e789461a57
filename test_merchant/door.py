"""Where webhooks arrive, and the page that shows what came."""

import hashlib
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from test_merchant import inbox, webhook
from test_merchant.inbox import LONGEST_TEXT, Arrival
from test_merchant.shop import current_shop
from test_merchant.signature import verify
from test_merchant.standard_webhook import verify_standard

door = Blueprint("door", __name__)


@door.post("/webhook")
def receive_webhook() -> ResponseReturnValue:
    shop = current_shop()
    raw_body = request.get_data()  # the bytes as they came: a body parsed and written again may differ
    signature = request.headers.get("X-Webhook-Signature", "")
    is_genuine = verify(raw_body, signature, shop.settings.webhook_secret)
    event = webhook.read(raw_body) if is_genuine else None

    if shop.stumbles():
        status, text = 500, "failing on purpose (FAIL_FIRST_N)"
    elif not is_genuine:
        status, text = 401, "X-Webhook-Signature does not fit this body and the shop's secret"
    elif event is None:
        status, text = 400, "signed, but no JSON object"
    else:
        webhook.handle(shop.books, event)
        status, text = 200, "ok"

    shop.inbox.add(_arrival(raw_body, is_genuine, event or {}, status))
    time.sleep(shop.settings.slow_ms / 1000)
    return Response(text, status, mimetype="text/plain")


@door.get("/events")
def show_events() -> ResponseReturnValue:
    return render_template("events.html", **_events_view())


@door.get("/events/list")
def list_events() -> ResponseReturnValue:
    fragment = Response(render_template("_events.html", **_events_view()))
    fragment.headers["Cache-Control"] = "no-cache"
    fragment.set_etag(hashlib.sha256(fragment.get_data()).hexdigest()[:32])
    return fragment.make_conditional(request)


@door.get("/events.json")
def dump_events() -> ResponseReturnValue:
    return jsonify([asdict(arrival) for arrival in current_shop().inbox.newest_first()])


@door.delete("/events.json")
def clear_events() -> ResponseReturnValue:
    current_shop().inbox.clear()
    return "", 204


@door.get("/health")
def health() -> ResponseReturnValue:
    return {"status": "ok"}


def _arrival(raw_body: bytes, is_genuine: bool, event: dict[str, Any], status: int) -> Arrival:
    message_id, timestamp, signatures = (
        request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    secret = current_shop().settings.webhook_secret
    fields = inbox.shown(event)
    # The id in the body comes first: both signatures cover it, the header's only one.
    event_id = fields["id"] or message_id[:LONGEST_TEXT] or None
    return Arrival(
        **fields | {"id": event_id},
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
    webhook_url = url_for("door.receive_webhook", _external=True)
    return {"arrivals": current_shop().inbox.newest_first(), "webhook_url": webhook_url}
