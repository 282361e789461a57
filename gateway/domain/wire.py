"""How each thing looks in JSON: the same in answers, in events and on the pages that show raw data."""

from typing import Any

import orjson

from gateway.core.clock import iso
from gateway.models import ApiKey, Attempt, Delivery, Endpoint, Event, Merchant, Order, Payment, Refund
from gateway.models.orders import Payable
from gateway.models.webhooks import Waiting

Json = dict[str, Any]


def encode(value: Json) -> str:
    """Compact JSON that JavaScript's JSON.stringify(JSON.parse(text)) gives back unchanged.

    Holds for objects without floats and without keys that look like integers,
    which is all we send.
    """
    return orjson.dumps(value).decode()


def order(row: Order) -> Json:
    return {
        "id": row.id,
        "merchant_id": row.merchant_id,
        "amount": row.amount,
        "currency": row.currency,
        "receipt": row.receipt,
        "notes": row.notes or {},
        "status": row.status,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def public_order(found: Payable) -> Json:
    """What the payer's browser may know; exactly these four."""
    return {"id": found.id, "amount": found.amount, "currency": found.currency, "status": found.status}


def payment(row: Payment) -> Json:
    instrument = {"vpa": row.vpa} | _link(row) if row.method == "upi" else _card(row)
    return {
        "id": row.id,
        "order_id": row.order_id,
        "amount": row.amount,
        "currency": row.currency,
        "method": row.method,
        **instrument,
        "status": row.status,
        "captured": row.captured,
        "amount_refunded": row.amount_refunded,
        "refund_status": refund_status(row),
        "error_code": row.error_code,
        "error_description": row.error_description,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def _link(row: Payment) -> Json:
    """The link that opens the payer's app, for payments that were to be made there."""
    return {} if row.upi_link is None else {"upi_link": row.upi_link}


def _card(row: Payment) -> Json:
    return {"card_network": row.card_network, "card_last4": row.card_last4}


def refund_status(row: Payment) -> str | None:
    """`full`, `partial` or null, by what has been given back so far."""
    if row.amount_refunded == 0:
        return None
    return "full" if row.amount_refunded == row.amount else "partial"


def public_payment(row: Payment) -> Json:
    """What the payer's browser may know."""
    return {
        "id": row.id,
        "order_id": row.order_id,
        "status": row.status,
        "amount": row.amount,
        "currency": row.currency,
        "method": row.method,
        "error_description": row.error_description,
        **_link(row),
    }


def refund(row: Refund) -> Json:
    return {
        "id": row.id,
        "payment_id": row.payment_id,
        "amount": row.amount,
        "reason": row.reason,
        "status": row.status,
        "created_at": iso(row.created_at),
        "processed_at": iso(row.processed_at),
    }


def event_body(row: Event | Waiting, sequence: int) -> str:
    """The exact text of a webhook: everything in it was frozen before, so it never changes."""
    head = {"event": row.event, "timestamp": int(row.created_at.timestamp())}
    tail = {"id": row.id, "sequence": sequence}
    return f'{encode(head)[:-1]},"data":{row.data},{encode(tail)[1:]}'


def delivery(row: Delivery) -> Json:
    return {
        "id": row.id,
        "event": row.event,
        "status": row.status,
        "attempts": row.attempts,
        "created_at": iso(row.created_at),
        "last_attempt_at": iso(row.last_attempt_at),
        "response_code": row.response_code,
    }


def delivery_detail(row: Delivery, attempts: list[Attempt]) -> Json:
    return delivery(row) | {
        "event_id": row.event_id,
        "payload": row.payload,
        "response_body": row.response_body,
        "next_retry_at": iso(row.next_retry_at),
        "attempt_log": [attempt(each) for each in attempts],
    }


def attempt(row: Attempt) -> Json:
    return {
        "number": row.number,
        "started_at": iso(row.started_at),
        "duration_ms": row.duration_ms,
        "outcome": row.outcome,
        "response_code": row.response_code,
        "error": row.error,
    }


def webhook_config(endpoint: Endpoint, secret: str) -> Json:
    """Names `events` only where not every one is wanted."""
    chosen = {} if endpoint.events is None else {"events": endpoint.events}
    return {"webhook_url": endpoint.url, "webhook_secret": secret, **chosen}


def test_merchant(merchant: Merchant, key: ApiKey) -> Json:
    return {"id": merchant.id, "email": merchant.email, "api_key": key.key, "seeded": True}


def event(row: Event) -> Json:
    """An event as the catch-up list shows it; `payload` is the exact text that endpoints get."""
    assert row.sequence is not None
    return {
        "id": row.id,
        "event": row.event,
        "sequence": row.sequence,
        "payload": event_body(row, row.sequence),
        "created_at": iso(row.created_at),
    }


def balance(currency: str, accounts: dict[str, int]) -> Json:
    return {"currency": currency, **accounts}


def sample_payment() -> Json:
    """What a test event carries, because receivers read `data.payment.id`."""
    return {
        "id": "pay_0000000000000000",
        "order_id": "order_0000000000000000",
        "amount": 50000,
        "currency": "INR",
        "method": "upi",
        "vpa": "test@example",
        "status": "success",
        "captured": False,
        "amount_refunded": 0,
        "refund_status": None,
        "error_code": None,
        "error_description": None,
        "created_at": "2026-01-15T10:31:00Z",
        "updated_at": "2026-01-15T10:31:00Z",
    }
