"""Every operation of the API: what it takes, what it answers, what it refuses.

Only what a request cannot tell by itself is listed here. Bodies are the models
that validate them, answers are `views`, and the refusals that follow from the
form of an operation (credentials, a body, an id in the path) follow by rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from gateway.api import views
from gateway.api.events import MAX_SEQUENCE
from gateway.api.payments import CaptureBody
from gateway.api.reading import MAX_OFFSET
from gateway.api.webhooks import WebhookConfigBody
from gateway.core import errors
from gateway.core.errors import Refusal
from gateway.domain.methods import PaymentBody
from gateway.domain.orders import OrderBody
from gateway.domain.refunds import RefundBody
from gateway.models import orders, payments, refunds

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """A method at a path.

    answers   the view of each status that is no refusal, None where it has no body
    refusals  those that do not follow from the form of the operation
    asker     a `merchant` shows credentials; a `payer` has so many requests a
              minute from one address; `anybody` has neither
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, Any]
    body: Any = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    refusals: tuple[type[Refusal], ...] = ()
    asker: str = "merchant"
    is_body_optional: bool = False
    is_idempotent: bool = False

    def all_refusals(self) -> Iterator[type[Refusal]]:
        """Every refusal that this operation may answer with, by its form and by its own rules."""
        if self.body is not None or self.query:
            yield errors.BadRequest
        if self.body is not None:
            yield errors.PayloadTooLarge
        if self.asker == "merchant":
            yield errors.AuthenticationFailed
        if self.asker == "payer":
            yield errors.RateLimited
        if "{" in self.path:
            yield errors.NotFound
        if self.is_idempotent:
            yield from (errors.KeyInUse, errors.KeyReused)
        if self.path.startswith("/api/"):
            yield errors.Unavailable
        yield from self.refusals


def _get(path: str, name: str, summary: str, view: Any, **more: Any) -> Operation:
    return Operation(name, "GET", path, summary, {200: view}, **more)


def _post(path: str, name: str, summary: str, view: Any, status: int = 200, **more: Any) -> Operation:
    return Operation(name, "POST", path, summary, {status: view}, **more)


def _schema(type_: Any) -> Schema:
    return TypeAdapter(type_).json_schema()


# The variables in the paths. An id of another form is not found, like an unknown one.
IDS: Mapping[str, Schema] = {
    "order_id": _schema(views.OrderId),
    "payment_id": _schema(views.PaymentId),
    "refund_id": _schema(views.RefundId),
    "event_id": _schema(views.EventId),
    "delivery_id": _schema(views.Uuid),
}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
_TEXT: Schema = {"type": "string"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}


def _whole(most: int) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": most, "default": 0}


def _rows(id_name: str, **filters: Schema) -> dict[str, Schema]:
    """What a list of rows can be asked."""
    return {
        "limit": _LIMIT,
        "offset": _whole(MAX_OFFSET),
        "after": IDS[id_name] | {"description": "The row to continue behind; not together with `offset`"},
        **filters,
        "created_from": _MOMENT | {"description": "Not older than this"},
        "created_to": _MOMENT | {"description": "Older than this"},
    }


def _one_of(words: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(words)}


_CARD = {"number": "4000 0000 0000 0077", "expiry_month": 12, "expiry_year": 2031, "cvv": "123"}
_ORDER_ID = "order_0123456789abcdef"
_PAYMENT: dict[str, Any] = {
    "body": PaymentBody,
    "examples": {
        "upi": {"order_id": _ORDER_ID, "method": "upi", "vpa": "success@sandbox"},
        "upi app": {"order_id": _ORDER_ID, "method": "upi", "flow": "intent"},
        "card": {"order_id": _ORDER_ID, "method": "card", "card": _CARD | {"holder_name": "Asha Rao"}},
    },
    "refusals": (errors.NotFound, errors.InvalidVpa, errors.InvalidCard, errors.ExpiredCard),
}
_ORDER: dict[str, Any] = {
    "body": OrderBody,
    "examples": {"order": {"amount": 50000, "currency": "INR", "receipt": "tea-1", "notes": {"table": "7"}}},
}
_CAPTURE: dict[str, Any] = {"body": CaptureBody, "examples": {"capture": {"amount": 50000}}}
_REFUND: dict[str, Any] = {
    "body": RefundBody,
    "examples": {"refund": {"amount": 20000, "reason": "One cup was broken"}},
}
_CONFIG: dict[str, Any] = {
    "body": WebhookConfigBody,
    "examples": {
        "address": {"webhook_url": "https://shop.example/webhooks"},
        "events": {"webhook_url": "https://shop.example/webhooks", "events": ["payment.success"]},
    },
}
_SANDBOX: dict[str, Any] = {"asker": "anybody", "refusals": (errors.NotFound,)}

_OF_ORDERS = _rows("order_id", status=_one_of(orders.STATUSES))
_OF_PAYMENTS = _rows(
    "payment_id",
    status=_one_of(payments.STATUSES),
    method=_one_of(payments.METHODS),
    order_id=_TEXT,
)
_OF_REFUNDS = _rows("refund_id", status=_one_of(refunds.STATUSES))
_OF_EVENTS = {
    "after": _whole(MAX_SEQUENCE) | {"description": "The sequence to continue behind"},
    "limit": _LIMIT,
}

_V1 = "/api/v1"
_ORDERS = f"{_V1}/orders"
_ONE_ORDER = f"{_ORDERS}/{{order_id}}"
_PAYMENTS = f"{_V1}/payments"
_ONE_PAYMENT = f"{_PAYMENTS}/{{payment_id}}"
_REFUNDS = f"{_V1}/refunds"
_HOOKS = f"{_V1}/webhooks"

# fmt: off
OPERATIONS = (
    _post(_ORDERS, "createOrder", "Create an order", views.Order, 201, **_ORDER, is_idempotent=True),
    _get(_ORDERS, "listOrders", "List orders, newest first", views.OrderList, query=_OF_ORDERS),
    _get(_ONE_ORDER, "getOrder", "Look at an order", views.Order),
    _get(f"{_ONE_ORDER}/public", "getPublicOrder", "Look at an order as its payer", views.PublicOrder,
         asker="payer"),

    _post(_PAYMENTS, "createPayment", "Pay an order; the bank's answer follows", views.Payment, 201,
          **_PAYMENT, is_idempotent=True),
    _post(f"{_PAYMENTS}/public", "createPublicPayment", "Pay an order as its payer", views.PublicPayment, 201,
          **_PAYMENT, asker="payer"),
    _get(_PAYMENTS, "listPayments", "List payments, newest first", views.PaymentList,
         query=_OF_PAYMENTS),
    _get(_ONE_PAYMENT, "getPayment", "Look at a payment", views.Payment),
    _get(f"{_ONE_PAYMENT}/public", "getPublicPayment", "Look at a payment as its payer", views.PublicPayment,
         asker="payer"),
    _post(f"{_ONE_PAYMENT}/capture", "capturePayment", "Capture a successful payment, all of it",
          views.Payment, **_CAPTURE, is_body_optional=True),

    _post(f"{_ONE_PAYMENT}/refunds", "createRefund", "Refund a successful payment or a part of it",
          views.Refund, 201, **_REFUND, is_idempotent=True),
    _get(f"{_ONE_PAYMENT}/refunds", "listRefundsOfPayment", "List a payment's refunds, newest first",
         views.RefundList, query=_OF_REFUNDS),
    _get(_REFUNDS, "listRefunds", "List refunds, newest first", views.RefundList,
         query=_OF_REFUNDS | {"payment_id": _TEXT}),
    _get(f"{_REFUNDS}/{{refund_id}}", "getRefund", "Look at a refund", views.Refund),

    _get(f"{_V1}/balance", "getBalance", "Where the money is, by currency", views.Balances),
    _get(f"{_V1}/events", "listEvents", "List events in the order of their sequence",
         views.EventPage, query=_OF_EVENTS),
    _get(f"{_V1}/events/{{event_id}}", "getEvent", "Look at an event", views.Event),

    _get(_HOOKS, "listWebhooks", "List deliveries, newest first", views.DeliveryList,
         query=_rows("delivery_id")),
    _get(f"{_HOOKS}/{{delivery_id}}", "getWebhook", "Look at a delivery and every attempt at it",
         views.DeliveryDetail),
    _post(f"{_HOOKS}/{{delivery_id}}/retry", "retryWebhook", "Send a delivery again", views.RetryScheduled),
    _get(f"{_HOOKS}/config", "getWebhookConfig", "Where webhooks go, and what signs them",
         views.WebhookConfig),
    Operation("saveWebhookConfig", "PUT", f"{_HOOKS}/config", "Say where webhooks go; null means nowhere",
              {200: views.WebhookConfig}, **_CONFIG),
    _post(f"{_HOOKS}/regenerate-secret", "regenerateWebhookSecret", "Sign with a new secret from now on",
          views.WebhookConfig),
    _post(f"{_HOOKS}/test", "sendTestWebhook", "Really send a test event", views.TestScheduled,
          refusals=(errors.BadRequest,)),

    _get(f"{_V1}/test/merchant", "getTestMerchant", "The sandbox's test merchant", views.TestMerchant,
         **_SANDBOX),
    _get(f"{_V1}/test/jobs/status", "getJobsStatus", "How much work waits, and how much was done",
         views.JobsStatus, **_SANDBOX),
    Operation("getOpenapi", "GET", f"{_V1}/openapi.json", "This document",
              {200: dict[str, Any], 304: None}, asker="anybody"),
    Operation("getHealth", "GET", "/health", "Is it well?", {200: views.Health, 503: views.Health},
              asker="anybody"),
    _get("/health/live", "getLiveness", "Is it alive?", views.Liveness, asker="anybody"),
    Operation("getReadiness", "GET", "/health/ready", "Can it take payments?",
              {200: views.Readiness, 503: views.Readiness}, asker="anybody"),
)
