"""Webhooks as the gateway would write them, signed by hand or by the standard's own library."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

SECRET = "whsec_test_abc123"
ROLLED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event_body(number: int = 1, **more: Any) -> bytes:
    payment = {"id": "pay_H8sK3jD9s2L1pQr0", "order_id": "order_NXhj67fGH2jk9mPq", "status": "success"}
    fields = {"event": "payment.success", "timestamp": 1705315870, "data": {"payment": payment}}
    numbered = {"id": f"evt_{number:016d}", "sequence": number}
    return json.dumps(fields | numbered | more, separators=(",", ":")).encode()


def paid_body(
    order_id: str, amount: int, /, number: int = 1, event: str = "order.paid", **more: Any
) -> bytes:
    payment = {
        "id": "pay_H8sK3jD9s2L1pQr0",
        "order_id": order_id,
        "amount": amount,
        "currency": "INR",
        "status": "success",
    }
    return event_body(number, event=event, data={"payment": payment | more})


def refunded_body(
    order_id: str, amount: int, number: int = 1, payment_id: str = "pay_H8sK3jD9s2L1pQr0"
) -> bytes:
    payment = {"id": payment_id, "order_id": order_id, "status": "success"}
    refund = {"id": f"rfnd_{number:016d}", "payment_id": payment_id, "amount": amount, "status": "processed"}
    return event_body(number, event="refund.processed", data={"refund": refund, "payment": payment})


def as_v1(digest: bytes) -> str:
    return "v1," + base64.b64encode(digest).decode()


def standard_headers(body: bytes, message_id: str, secret: str = ROLLED_SECRET) -> dict[str, str]:
    """By the standard's own library, so that our check is judged from outside."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
    }


def deliver(client: FlaskClient, body: bytes, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/webhook", data=body, headers={"X-Webhook-Signature": signed(body)} | named)


def arrivals(client: FlaskClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/events.json").get_json()
    return rows
