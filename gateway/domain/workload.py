"""How much work there is, and how much was done."""

from typing import Any

from sqlalchemy import and_, case, func, select

from gateway.core import clock
from gateway.core.db import session
from gateway.models import Delivery, Payment, Refund
from gateway.models.base import seconds_from_now

STATES = ("pending", "processing", "completed", "failed")


def status() -> dict[str, Any]:
    """True counts of the rows of the three queues, in all and for each.

    pending     waiting, now or for a later time
    processing  held by a worker at this moment
    completed   done; a payment that the bank declined is work done, too
    failed      given up: a delivery out of attempts, a refund refused, or
                anything flagged for a human
    """
    queues = {
        "payments": _counts(Payment, Payment.due_at, Payment.flagged.is_not(None)),
        "refunds": _counts(Refund, Refund.due_at, Refund.flagged.is_not(None) | (Refund.status == "failed")),
        "webhooks": _counts(Delivery, Delivery.next_retry_at, Delivery.status == "failed"),
    }
    totals = {state: sum(counts[state] for counts in queues.values()) for state in STATES}
    return totals | {"queues": queues}


def _counts(model: Any, due_at: Any, is_failed: Any) -> dict[str, Any]:
    is_held = and_(model.status == "pending", model.lease_until > seconds_from_now())
    state = case(
        (is_failed, "failed"),
        (is_held, "processing"),
        (model.status == "pending", "pending"),
        else_="completed",
    )
    oldest_due_at = session().scalar(select(func.min(due_at)).where(model.status == "pending"))
    counts: dict[str, Any] = dict.fromkeys(STATES, 0)
    counts |= {row[0]: row[1] for row in session().execute(select(state, func.count()).group_by(state))}
    age_s = 0 if oldest_due_at is None else max(0, int((clock.now() - oldest_due_at).total_seconds()))
    return counts | {"oldest_due_s": age_s}
