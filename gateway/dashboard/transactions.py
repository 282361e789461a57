"""All payments: found, filtered, sorted, and taken away as a table."""

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, g
from flask.typing import ResponseReturnValue

from gateway.core import clock, money
from gateway.core.db import reading
from gateway.core.errors import BadRequest
from gateway.dashboard import dashboard, seeking
from gateway.domain import search, wire
from gateway.models import Payment
from gateway.models.payments import METHODS, STATUSES
from gateway.web import pages, spreadsheets
from gateway.web.spreadsheets import Cell

COLUMNS = (
    "payment_id",
    "order_id",
    "receipt",
    "amount",
    "amount_minor_units",
    "currency",
    "method",
    "vpa",
    "card_network",
    "card_last4",
    "status",
    "captured",
    "amount_refunded",
    "amount_refunded_minor_units",
    "refund_status",
    "error_code",
    "error_description",
    "created_at",
    "updated_at",
)


@dashboard.get("/dashboard/transactions")
def transactions() -> ResponseReturnValue:
    asked = seeking.read(status=STATUSES, method=METHODS)
    return pages.page("dashboard/transactions/page.html", asked.status, **_seen(asked))


@dashboard.get("/dashboard/transactions/rows")
def transaction_rows() -> ResponseReturnValue:
    asked = seeking.read(status=STATUSES, method=METHODS)
    return pages.live("dashboard/transactions/_fragment.html", **_seen(asked))


def _seen(asked: seeking.Asked) -> dict[str, Any]:
    sought = asked.sought
    with reading():
        found = search.page(Payment, g.person.merchant_id, sought)
        is_new_here = not found.rows and not search.has_any(Payment, g.person.merchant_id)
    is_top = sought.sort == "newest" and found.newer is None
    return {
        "section": "transactions",
        "found": found,
        "sought": sought,
        "kind": search.kind(sought.text),
        "problems": asked.problems,
        "is_new_here": is_new_here,
        "is_live": is_top and sought.is_quick and not asked.problems,
        "statuses": STATUSES,
        "methods": METHODS,
    }


@dashboard.get("/dashboard/transactions/export.csv")
def export_transactions() -> ResponseReturnValue:
    asked = seeking.read(status=STATUSES, method=METHODS)
    for name, words in asked.problems.items():
        raise BadRequest(words, field=name)
    batches = search.batches(g.person.merchant_id, asked.sought)
    lines = spreadsheets.stream(COLUMNS, (_rows(batch) for batch in batches))
    response = Response(lines, mimetype="text/csv")
    name = f"transactions-{clock.now():%Y%m%d-%H%M}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _rows(batch: Sequence[tuple[Payment, str | None]]) -> Iterator[Sequence[Cell]]:
    for payment, receipt in batch:
        shown = wire.payment(payment) | {
            "payment_id": payment.id,
            "receipt": receipt,
            "captured": "yes" if payment.captured else "no",
            "amount": money.decimal(payment.amount, payment.currency),
            "amount_minor_units": payment.amount,
            "amount_refunded": money.decimal(payment.amount_refunded, payment.currency),
            "amount_refunded_minor_units": payment.amount_refunded,
        }
        yield [shown.get(name) for name in COLUMNS]
