"""The tables. One import here makes all of them known to the metadata."""

from gateway.models.audit import AuditLine
from gateway.models.base import Base
from gateway.models.idempotency import IdempotencyKey
from gateway.models.ledger import Balance, Transfer
from gateway.models.merchants import ApiKey, Merchant, User, UserSession
from gateway.models.orders import Order
from gateway.models.payments import Payment
from gateway.models.refunds import Refund
from gateway.models.webhooks import Attempt, Delivery, Endpoint, Event, EventCounter
from gateway.models.workers import Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditLine",
    "Balance",
    "Base",
    "Delivery",
    "Endpoint",
    "Event",
    "EventCounter",
    "IdempotencyKey",
    "Merchant",
    "Order",
    "Payment",
    "Refund",
    "Transfer",
    "User",
    "UserSession",
    "Worker",
]
