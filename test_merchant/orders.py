"""Asks the gateway for an order, server to server. The secret never reaches a browser."""

import json
import re
from dataclasses import dataclass
from typing import Any

import urllib3

from test_merchant.settings import Settings

ORDER_ID = re.compile(r"order_[A-Za-z0-9]{16}")


@dataclass(frozen=True, slots=True)
class Item:
    """`amount` in paise."""

    name: str
    amount: int

    @property
    def price(self) -> str:
        return f"₹{self.amount // 100}.{self.amount % 100:02d}"


ITEM = Item("Nilgiri winter tea", 50_000)

# No retries of urllib3's own: the buyer's "Try again" sends the same Idempotency-Key.
_http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=10), retries=False)


class NoOrder(Exception):
    """The gateway gave no order; the text says what came instead, for the shop's owner."""


def create(settings: Settings, idempotency_key: str) -> str:
    """The id of an order over the shop's one item.

    idempotency_key   the same key gives the same order, however often it is asked for
    raises   NoOrder  no answer within 10 s, a refusal, or an answer that is no order
    """
    body = {"amount": ITEM.amount, "currency": "INR", "notes": {"item": ITEM.name}}
    headers = {
        "Content-Type": "application/json",
        "X-Api-Key": settings.api_key,
        "X-Api-Secret": settings.api_secret,
        "Idempotency-Key": idempotency_key,
    }
    url = f"{settings.gateway_url}/api/v1/orders"
    try:
        answer = _http.request("POST", url, body=json.dumps(body), headers=headers, redirect=False)
    except urllib3.exceptions.HTTPError:
        raise NoOrder(f"No answer from {settings.gateway_url}. Is the gateway running?") from None
    order = _fields(answer.data)
    if answer.status != 201:
        raise NoOrder(f"The gateway answered {answer.status}. {_description(order)}".strip())
    if not ORDER_ID.fullmatch(str(order.get("id"))):
        raise NoOrder(f"{settings.gateway_url} answered 201, but not with an order. Is it the gateway?")
    return str(order["id"])


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
