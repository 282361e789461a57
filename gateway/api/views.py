"""How answers look: models of what `wire` and the routes produce, from which the OpenAPI document is made.

Nothing runs through them; a test holds every answer against them. Readers must
expect more fields to come.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel

from gateway.core.errors import CODES
from gateway.core.money import MAX_AMOUNT
from gateway.models import orders, payments, refunds


def _public_id(prefix: str) -> Any:
    return Field(pattern=f"^{prefix}_[0-9A-Za-z]{{16}}$", examples=[f"{prefix}_0123456789abcdef"])


def _one_of(*words: str) -> Any:
    return Field(json_schema_extra={"enum": list(words)})


OrderId = Annotated[str, _public_id("order")]
PaymentId = Annotated[str, _public_id("pay")]
RefundId = Annotated[str, _public_id("rfnd")]
EventId = Annotated[str, _public_id("evt")]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Amount = Annotated[int, Field(ge=100, le=MAX_AMOUNT, description="Minor units, such as paise")]
Part = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="Minor units, such as paise")]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217")]
OrderStatus = Annotated[str, _one_of(*orders.STATUSES)]
PaymentStatus = Annotated[str, _one_of(*payments.STATUSES)]
RefundStatus = Annotated[str, _one_of(*refunds.STATUSES)]
DeliveryStatus = Annotated[str, _one_of("pending", "success", "failed")]
EventName = Annotated[str, Field(examples=["payment.success"], description="More names may come")]
Running = Annotated[str, _one_of("running", "stopped")]
Count = Annotated[int, Field(ge=0)]


class Order(BaseModel):
    """What a merchant wants to be paid: created, then attempted, then paid."""

    id: OrderId
    merchant_id: Uuid
    amount: Amount
    currency: Currency
    receipt: str | None
    notes: dict[str, str]
    status: OrderStatus
    checkout_token: Annotated[
        str, Field(description="Lets a payer to the checkout of a merchant who wants it besides the id")
    ]
    created_at: datetime
    updated_at: datetime


class PublicOrder(BaseModel):
    """What the payer's browser may know of an order."""

    id: OrderId
    amount: Amount
    currency: Currency
    status: OrderStatus


class _AnyPayment(BaseModel):
    id: PaymentId
    order_id: OrderId
    amount: Amount
    currency: Currency
    status: PaymentStatus
    captured: bool
    amount_refunded: Annotated[Part, Field(description="Minor units that refunds have given back")]
    refund_status: Annotated[str | None, Field(json_schema_extra={"enum": ["full", "partial", None]})]
    error_code: Annotated[str | None, Field(description="PAYMENT_FAILED once the bank has refused")]
    error_description: str | None
    created_at: datetime
    updated_at: datetime


UpiLink = Annotated[
    str, Field(default_factory=str, description="Opens the payer's UPI app; only where flow was intent")
]


class PaymentByUpi(_AnyPayment):
    """A payment from a UPI address."""

    method: Literal["upi"]
    vpa: Annotated[str | None, Field(description="Null until the payer's app has answered an intent")]
    upi_link: UpiLink


class PaymentByCard(_AnyPayment):
    """A payment by card; number and CVV were never kept."""

    method: Literal["card"]
    card_network: Annotated[str, _one_of("visa", "mastercard", "amex", "rupay", "unknown")]
    card_last4: Annotated[str, Field(pattern="^[0-9]{4}$")]


class Payment(RootModel[Annotated[PaymentByUpi | PaymentByCard, Field(discriminator="method")]]):
    """One try of a customer to pay an order: pending, then success or failed."""


class PublicPayment(BaseModel):
    """What the payer's browser may know of a payment."""

    id: PaymentId
    order_id: OrderId
    status: PaymentStatus
    amount: Amount
    currency: Currency
    method: Annotated[str, _one_of(*payments.METHODS)]
    error_description: str | None
    upi_link: UpiLink


class Refund(BaseModel):
    """Part of a successful payment on its way back; a failed one has set its amount free again."""

    id: RefundId
    payment_id: PaymentId
    amount: Annotated[int, Field(ge=1, le=MAX_AMOUNT, description="Minor units, such as paise")]
    reason: str | None
    status: RefundStatus
    created_at: datetime
    processed_at: datetime | None


class Delivery(BaseModel):
    """One event on its way to one endpoint."""

    id: Uuid
    event: EventName
    status: DeliveryStatus
    attempts: Count
    created_at: datetime
    last_attempt_at: datetime | None
    response_code: int | None


class Attempt(BaseModel):
    """One try at a delivery; without an outcome it is under way."""

    number: Annotated[int, Field(ge=1)]
    started_at: datetime
    duration_ms: Count | None
    outcome: str | None
    response_code: int | None
    error: str | None


class DeliveryDetail(Delivery):
    """A delivery with its exact body, the receiver's last answer and every attempt."""

    event_id: EventId
    payload: Annotated[str, Field(description="The exact text that is signed and sent")]
    response_body: Annotated[str | None, Field(description="The first 10 kB of the receiver's last answer")]
    next_retry_at: datetime | None
    attempt_log: list[Attempt]


class RetryScheduled(BaseModel):
    id: Uuid
    status: Literal["pending"]
    message: str


class TestScheduled(BaseModel):
    id: Annotated[EventId, Field(description="The test event's id")]
    event: Literal["webhook.test"]
    message: str


class WebhookConfig(BaseModel):
    """Where webhooks go, and the secret that signs them."""

    webhook_url: str | None
    webhook_secret: str
    events: Annotated[
        list[EventName], Field(default_factory=list, description="Those wanted; not there when all are")
    ]


class Event(BaseModel):
    """Something that happened; `sequence` counts the merchant's events without a gap."""

    id: EventId
    event: EventName
    sequence: Annotated[int, Field(ge=1)]
    payload: Annotated[str, Field(description="The exact text that endpoints are sent")]
    created_at: datetime


class _Page(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)]
    has_more: bool


class EventPage(_Page):
    data: list[Event]


class _List(_Page):
    # By default factories: such a field may be missing, but is never null.
    total: Annotated[Count, Field(default_factory=int, description="Not with `after`")]
    offset: Annotated[Count, Field(default_factory=int, description="Not with `after`")]


class OrderList(_List):
    data: list[Order]


class PaymentList(_List):
    data: list[Payment]


class RefundList(_List):
    data: list[Refund]


class DeliveryList(_List):
    data: list[Delivery]


class Balance(BaseModel):
    """Every account of one currency in minor units; together they sum to zero."""

    currency: Currency
    processor_receivable: int
    merchant_uncaptured: int
    merchant_balance: int
    fees: int
    refunds_reserved: int
    refunds_paid: int


class Balances(BaseModel):
    data: list[Balance]


class _Counts(BaseModel):
    pending: Count
    processing: Count
    completed: Count
    failed: Count


class QueueStatus(_Counts):
    """True counts of one queue's rows."""

    oldest_due_s: Annotated[Count, Field(description="For how many seconds the oldest row has been due")]


class Queues(BaseModel):
    payments: QueueStatus
    refunds: QueueStatus
    webhooks: QueueStatus


class JobsStatus(_Counts):
    """True counts over the three queues, and for each."""

    queues: Queues
    worker_status: Running


class TestMerchant(BaseModel):
    id: Uuid
    email: str
    api_key: str
    seeded: Literal[True]


class Health(BaseModel):
    """Payments are taken while `status` is healthy or degraded."""

    status: Annotated[str, _one_of("healthy", "degraded", "unhealthy")]
    database: Annotated[str, _one_of("connected", "disconnected")]
    redis: Annotated[str, _one_of("connected", "disconnected", "embedded")]
    worker: Running
    timestamp: datetime


class Liveness(BaseModel):
    status: Literal["alive"]


class Readiness(BaseModel):
    status: Annotated[str, _one_of("ready", "unready")]


class ErrorDetail(BaseModel):
    code: Annotated[str, _one_of(*sorted({code for code, status, *_ in CODES if status is not None}))]
    description: Annotated[str, Field(description="For people: what is wrong and, where it can, what to do")]
    field: Annotated[str, Field(default_factory=str, description="The part of the input to look at")]
    reason: Annotated[str, Field(default_factory=str, description="A finer code for programs")]
    request_id: Annotated[str, _public_id("req")]


class Error(BaseModel):
    """Every refusal looks like this."""

    error: ErrorDetail
