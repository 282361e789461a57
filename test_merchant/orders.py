"""Talks to the gateway, server to server. The secret never reaches a browser."""

import json
import re
from typing import Any

import urllib3

from test_merchant.catalogue import CURRENCY, Line, total
from test_merchant.settings import Settings

ORDER_ID = re.compile(r"order_[A-Za-z0-9]{16}")

# No retries of urllib3's own: the buyer's "Try again" sends the same Idempotency-Key.
_http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=10), retries=False)


class NoOrder(Exception):
    """The gateway gave no order; the text says what came instead, for the shop's owner."""


def create(settings: Settings, lines: tuple[Line, ...], idempotency_key: str) -> str:
    """The id of an order over these things, at the shop's own prices.

    idempotency_key   the same key gives the same order, however often it is asked for
    raises   NoOrder  no answer within 10 s, a refusal, or an answer that is no order
    """
    body = {
        "amount": total(lines),  # in paise
        "currency": CURRENCY,
        "notes": {line.item: f"{line.quantity} × {line.name}" for line in lines},
    }
    status, order = _ask(settings, "POST", "/api/v1/orders", body, {"Idempotency-Key": idempotency_key})
    if status != 201:
        raise NoOrder(f"The gateway answered {status}. {_description(order)}".strip())
    if not ORDER_ID.fullmatch(str(order.get("id"))):
        raise NoOrder(f"{settings.gateway_url} answered 201, but not with an order. Is it the gateway?")
    return str(order["id"])


def is_paid(settings: Settings, order_id: str, amount: int, currency: str) -> bool:
    """Whether the gateway says that this order is paid, and over just this amount.

    For a webhook that is late. No answer means not yet: the webhook, or the next look, will tell.
    """
    try:
        status, order = _ask(settings, "GET", f"/api/v1/orders/{order_id}")
    except NoOrder:
        return False
    seen = (status, order.get("status"), order.get("amount"), order.get("currency"))
    return seen == (200, "paid", amount, currency)


def _ask(
    settings: Settings,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    credentials = {"X-Api-Key": settings.api_key, "X-Api-Secret": settings.api_secret}
    try:
        answer = _http.request(
            method,
            settings.gateway_url + path,
            json=body,
            headers=credentials | (headers or {}),
            redirect=False,  # the secret goes to the gateway and nowhere else
        )
    except urllib3.exceptions.HTTPError:
        raise NoOrder(f"No answer from {settings.gateway_url}. Is the gateway running?") from None
    return answer.status, _fields(answer.data)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _description(refusal: dict[str, Any]) -> str:
    error = refusal.get("error")
    text = error.get("description") if isinstance(error, dict) else None
    return text[:200].encode("utf-8", "replace").decode() if isinstance(text, str) else ""
