"""All refunds, and how far each has come."""

from dataclasses import replace
from typing import Any

from flask import g
from flask.typing import ResponseReturnValue

from gateway.core.db import reading
from gateway.dashboard import dashboard, seeking
from gateway.domain import search
from gateway.models import Refund
from gateway.models.refunds import STATUSES
from gateway.web import pages


@dashboard.get("/dashboard/refunds")
def refunds() -> ResponseReturnValue:
    return pages.page("dashboard/refunds/page.html", **_listed())


@dashboard.get("/dashboard/refunds/rows")
def refund_rows() -> ResponseReturnValue:
    return pages.live("dashboard/refunds/_fragment.html", **_listed())


def _listed() -> dict[str, Any]:
    # A refund's currency is its payment's, so amounts are no way to look for one.
    sought = replace(seeking.read(status=STATUSES).sought, sort="newest", least=None, most=None)
    with reading():
        found = search.page(Refund, g.person.merchant_id, sought)
        currencies = search.currencies_of(found.rows)
        is_new_here = not found.rows and not search.has_any(Refund, g.person.merchant_id)
    return {
        "section": "refunds",
        "found": found,
        "currencies": currencies,
        "sought": sought,
        "is_new_here": is_new_here,
        "is_live": any(refund.status == "pending" for refund in found.rows),
        "statuses": STATUSES,
    }
