"""The first page: the numbers of a period, what came last, what needs somebody, and the keys."""

import time
from typing import Any

from flask import current_app, g, render_template, request
from flask.typing import ResponseReturnValue

from gateway.core.db import reading
from gateway.dashboard import charts, dashboard
from gateway.domain import keys, listing, roles, statistics, workers
from gateway.domain.roles import Act
from gateway.models import Delivery, Payment, Refund
from gateway.web import pages

_LAST_PAYMENTS = 8
_LAST_FAILED = 4
# Beyond this a number of waiting or failed rows is "many"; counting all of them helps nobody.
_MANY = 1000
_SHARED_S = 1.0
_MAX_SHARED = 1000


@dashboard.get("/dashboard")
def home() -> ResponseReturnValue:
    with reading():
        values = _numbers(g.person.merchant_id, _period()) | _credentials(g.person.merchant_id)
    return pages.page("dashboard/home/page.html", section="home", **values)


@dashboard.get("/dashboard/numbers")
def numbers() -> ResponseReturnValue:
    """What the open home page asks for every few seconds; neither a key nor a form is in it.

    Tabs that ask within the same second share an answer, so a hundred of them cost little more than one.
    """
    shared: dict[tuple[str, str], tuple[float, str]] = current_app.extensions.setdefault("numbers", {})
    key = g.person.merchant_id, _period()
    good_until_s, text = shared.get(key, (0.0, ""))
    if time.monotonic() >= good_until_s:
        with reading():
            values = _numbers(*key)
        text = render_template("dashboard/home/_numbers.html", **values)
        if len(shared) >= _MAX_SHARED:
            shared.clear()
        shared[key] = time.monotonic() + _SHARED_S, text
    return pages.live_text(text)


def _period() -> str:
    chosen = request.args.get("period", "all")
    return chosen if chosen in statistics.PERIODS else "all"


def _credentials(merchant_id: str) -> dict[str, Any]:
    key = keys.newest(merchant_id)
    may_see = roles.may(g.person.role, Act.SEE_SECRETS)
    return {"api_key": key, "api_secret": keys.secret_of(key) if key and may_see else None}


def _numbers(merchant_id: str, period: str) -> dict[str, Any]:
    found = statistics.summary(merchant_id, period)
    counts = listing.count_up_to(
        _MANY,
        merchant_id,
        payments=(Payment, "pending"),
        refunds=(Refund, "pending"),
        webhooks=(Delivery, "pending"),
        failed=(Delivery, "failed"),
    )
    return {
        "period": period,
        "summary": found,
        "charts": [charts.amounts(found.bars, found.unit), charts.counts(found.bars, found.unit)],
        "payments": listing.latest(Payment, merchant_id, _LAST_PAYMENTS),
        "failed": listing.latest(Delivery, merchant_id, _LAST_FAILED, status="failed"),
        "counts": counts,
        "many": _MANY,
        "is_running": workers.is_running(),
    }
