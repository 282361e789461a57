"""How much work there is, how much was done, and what waits for a human."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select

from gateway.core import clock
from gateway.core.db import session
from gateway.domain import listing
from gateway.models import Delivery, Payment, Refund
from gateway.models.base import seconds_from_now

STATES = ("pending", "processing", "completed", "failed")
MAX_FLAGGED = 50


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


def of(merchant_id: str) -> dict[str, dict[str, Any]]:
    """The same counts for each queue, of one merchant's rows.

    Rows that are not done are few and found by their status; those that are done
    are the rest of a total that is remembered, so that a page may ask every second.
    """
    return {
        "payments": _own(Payment, merchant_id, Payment.due_at, Payment.flagged.is_not(None)),
        "refunds": _own(
            Refund, merchant_id, Refund.due_at, Refund.flagged.is_not(None) | (Refund.status == "failed")
        ),
        "webhooks": _own(Delivery, merchant_id, Delivery.next_retry_at, Delivery.status == "failed"),
    }


def _own(model: Any, merchant_id: str, due_at: Any, is_failed: Any) -> dict[str, Any]:
    unfinished = ("pending",) if model is Payment else ("pending", "failed")
    counts = _counts(model, due_at, is_failed, model.merchant_id == merchant_id, model.status.in_(unfinished))
    done = listing.total_of(model, merchant_id) - sum(counts[state] for state in STATES)
    # Counted one after the other: what was made or done in between may be missing from either.
    return counts | {"completed": max(0, done)}


@dataclass(frozen=True)
class Flagged:
    """A payment or refund for which a human has to find out what the bank did, and why."""

    id: str
    payment_id: str
    amount: int
    currency: str
    why: str
    created_at: datetime


def flagged(merchant_id: str) -> list[Flagged]:
    """The merchant's flagged payments and refunds, oldest first; of each at most so many."""
    found = []
    models: tuple[Any, ...] = (Payment, Refund)
    for model in models:
        columns = (model.id, Payment.id, model.amount, Payment.currency, model.flagged, model.created_at)
        query = select(*columns)
        if model is Refund:
            query = query.join(Payment, Payment.id == Refund.payment_id)
        query = (
            query.where(
                model.status == "pending", model.merchant_id == merchant_id, model.flagged.is_not(None)
            )
            .order_by(model.created_at, model.id)
            .limit(MAX_FLAGGED)
        )
        found += [Flagged(*row) for row in session().execute(query)]
    return sorted(found, key=lambda each: each.created_at)


def _counts(model: Any, due_at: Any, is_failed: Any, *where: Any) -> dict[str, Any]:
    is_held = and_(model.status == "pending", model.lease_until > seconds_from_now())
    state = case(
        (is_failed, "failed"),
        (is_held, "processing"),
        (model.status == "pending", "pending"),
        else_="completed",
    )
    oldest_due_at = session().scalar(select(func.min(due_at)).where(model.status == "pending", *where))
    counts: dict[str, Any] = dict.fromkeys(STATES, 0)
    counts |= {
        row[0]: row[1] for row in session().execute(select(state, func.count()).where(*where).group_by(state))
    }
    age_s = 0 if oldest_due_at is None else max(0, int((clock.now() - oldest_due_at).total_seconds()))
    return counts | {"oldest_due_s": age_s}
