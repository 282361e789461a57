"""Everything that happened to one payment, in order: states, refunds, the events and who was told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select

from gateway.core.db import session
from gateway.models import AuditLine, Delivery, Event, Payment, Refund

# An act and its line in the audit log are one transaction, with two looks at the clock.
_SAME_MOMENT = timedelta(seconds=5)


@dataclass(frozen=True)
class Told:
    """An event, and its way to each endpoint that wanted it."""

    event: Event
    deliveries: Sequence[Delivery]


@dataclass
class Step:
    """Something that happened: created, success, failed, order.paid, captured, refund.created, …"""

    kind: str
    at: datetime
    refund: Refund | None = None
    actor: str | None = None
    told: list[Told] = field(default_factory=list)


def refunds_of(payment: Payment) -> Sequence[Refund]:
    """The payment's refunds, oldest first."""
    query = select(Refund).where(Refund.payment_id == payment.id).order_by(Refund.created_at, Refund.id)
    return session().scalars(query).all()


def of(payment: Payment, refunds: Sequence[Refund]) -> list[Step]:
    """What happened to this payment, oldest first, each with the events that told of it."""
    told = _told(payment)
    steps = _payment_steps(payment, told)
    for refund in refunds:
        steps += _refund_steps(refund, told)
    for step in steps:
        refund_id = step.refund.id if step.refund else ""
        step.told = [told[name, refund_id] for name in _EVENTS[step.kind] if (name, refund_id) in told]
    _name_actors(payment, steps)
    return sorted(steps, key=lambda step: step.at)


# Which events tell of which step.
_EVENTS = {
    "created": ("payment.created", "payment.pending"),
    "success": ("payment.success",),
    "failed": ("payment.failed",),
    "order.paid": ("order.paid",),
    "captured": ("payment.captured",),
    "refund.created": ("refund.created",),
    "refund.processed": ("refund.processed",),
    "refund.failed": ("refund.failed",),
}


def _told(payment: Payment) -> dict[tuple[str, str], Told]:
    """The payment's events by their name and, where one is concerned, their refund's id."""
    events = session().scalars(
        select(Event)
        .where(Event.payment_id == payment.id, Event.merchant_id == payment.merchant_id)
        .order_by(Event.position)
    )
    found = {(event.event, event.refund_id): event for event in events}
    ids = [event.id for event in found.values()]
    sent: dict[str, list[Delivery]] = {event_id: [] for event_id in ids}
    for delivery in session().scalars(
        select(Delivery).where(Delivery.event_id.in_(ids)).order_by(Delivery.created_at, Delivery.id)
    ):
        sent[delivery.event_id].append(delivery)
    return {key: Told(event, sent[event.id]) for key, event in found.items()}


def _payment_steps(payment: Payment, told: dict[tuple[str, str], Told]) -> list[Step]:
    steps = [Step("created", payment.created_at)]
    if payment.status != "pending":
        event = told.get((f"payment.{payment.status}", ""))
        steps.append(Step(payment.status, event.event.created_at if event else payment.updated_at))
    if ("order.paid", "") in told:
        steps.append(Step("order.paid", told["order.paid", ""].event.created_at))
    if payment.captured and payment.captured_at is not None:
        steps.append(Step("captured", payment.captured_at))
    return steps


def _refund_steps(refund: Refund, told: dict[tuple[str, str], Told]) -> list[Step]:
    steps = [Step("refund.created", refund.created_at, refund)]
    if refund.status == "processed" and refund.processed_at is not None:
        steps.append(Step("refund.processed", refund.processed_at, refund))
    if refund.status == "failed":
        event = told.get(("refund.failed", refund.id))
        steps.append(Step("refund.failed", event.event.created_at if event else refund.created_at, refund))
    return steps


def _name_actors(payment: Payment, steps: list[Step]) -> None:
    """Say who captured and who refunded, where the audit log knows."""
    acts = {
        (step.refund.id if step.refund else payment.id): step
        for step in steps
        if step.kind in ("captured", "refund.created")
    }
    if not acts:
        return
    # By the moment, because that is what the audit log is sorted by.
    moments = [
        and_(
            AuditLine.created_at >= step.at - _SAME_MOMENT,
            AuditLine.created_at <= step.at + _SAME_MOMENT,
            AuditLine.subject == subject,
        )
        for subject, step in acts.items()
    ]
    lines = session().execute(
        select(AuditLine.subject, AuditLine.actor).where(
            AuditLine.merchant_id == payment.merchant_id,
            AuditLine.act.in_(("payment.captured", "refund.created")),
            or_(*moments[-50:]),
        )
    )
    for subject, actor in lines:
        acts[subject or ""].actor = actor
