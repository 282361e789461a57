"""The first events of a payment: that it was created, and is pending.

A request writes the payment's row and nothing else of this: the row stands for
its first events until a worker has it in hand anyway, and writes them. So a
request is answered sooner, and events are numbered as they are written. Who
takes a payment to the bank announces it (`payments.claim`, `payments.hold`);
others are looked for along with waiting events (jobs/webhooks.py).
"""

from collections.abc import Sequence
from datetime import timedelta

from gateway.core import clock, rows
from gateway.core.db import fetch_all, gathered, later
from gateway.core.statements import Statement, update_each
from gateway.domain import events, wire
from gateway.models import Event, Payment

FIRST = ("payment.created", "payment.pending")
BATCH = events.FAN_OUT_BATCH // len(FIRST)
# What is due so soon is left to whoever takes it to the bank, but not for long: all who could may be busy.
_SOON, _LEFT_FOR = timedelta(milliseconds=100), timedelta(seconds=1)

_NEW = Statement(
    f"SELECT {rows.columns(Payment)} FROM payments WHERE NOT is_announced"
    " AND (due_at > :soon OR created_at < :left_since)"
    " ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_MARK = update_each("payments", "is_announced = true", "id text")


def announce_new() -> bool:
    """Announce payments that are not due yet, in the order of their making; says whether more may wait."""
    now = clock.now()
    found = fetch_all(_NEW, soon=now + _SOON, left_since=now - _LEFT_FOR, limit=BATCH)
    announce([rows.of(Payment, values) for values in found])
    return len(found) == BATCH


def announce(payments: Sequence[Payment]) -> None:
    """Write the first events of those of which nobody has told, and that they were told."""
    for payment in tell(payments):
        later(_MARK, id=payment.id)


def tell(payments: Sequence[Payment]) -> list[Payment]:
    """Write the first events of those of which nobody has told, as they were then; which these are.

    They are to be marked in the same unit of work.
    """
    # Marks may be gathered only, so this unit of work knows better than its rows.
    told = {event["payment_id"] for event in gathered(Event)}
    new = [payment for payment in payments if not payment.is_announced and payment.id not in told]
    for payment in new:
        shown = wire.payment(payment) | _as_it_began(payment)
        for event in FIRST:
            events.emit(payment.merchant_id, event, shown, at=payment.created_at)
    return new


def _as_it_began(payment: Payment) -> wire.Json:
    """What may have changed since: the payer's app may have answered by now."""
    began: wire.Json = {"updated_at": clock.iso(payment.created_at)}
    return began if payment.upi_link is None else began | {"vpa": None}
