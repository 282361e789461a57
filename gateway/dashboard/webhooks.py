"""Webhooks: where they go, what became of each, and sending them again."""

import json
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core import config
from gateway.core.db import reading, transaction
from gateway.core.errors import BadRequest
from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import needs
from gateway.domain import deliveries, endpoints, listing, roles
from gateway.domain.listing import Wanted
from gateway.domain.roles import Act
from gateway.models import Delivery
from gateway.models.webhooks import EVENTS, STATUSES, TEST_EVENT
from gateway.web import pages

PAGE_SIZE = 25
MAX_ATTEMPTS_SHOWN = 50
FILTERS = {"event": (*EVENTS, TEST_EVENT), "status": STATUSES}


@dashboard.get("/dashboard/webhooks")
def webhooks() -> ResponseReturnValue:
    return _page()


@dashboard.post("/dashboard/webhooks")
@needs(Act.MANAGE_WEBHOOKS)
def save_webhooks() -> ResponseReturnValue:
    url = request.form.get("webhook_url", "").strip() or None
    try:
        with transaction():
            endpoints.configure(g.person.merchant_id, g.person.email, url)
            if "wants" in request.form:
                wanted = request.form.getlist("events") if request.form["wants"] == "some" else None
                endpoints.choose_events(g.person.merchant_id, g.person.email, wanted)
    except BadRequest as refusal:
        return _page(refusal)
    flash(f"Saved. Events go to {url}." if url else "Saved. Webhooks are switched off.", "good")
    return _back()


@dashboard.post("/dashboard/webhooks/test")
@needs(Act.MANAGE_WEBHOOKS)
def send_test_webhook() -> ResponseReturnValue:
    with transaction():
        deliveries.send_test(g.person.merchant_id, g.person.email)
    flash("A test webhook is on its way. Its delivery appears in the log below.", "good")
    return _back()


@dashboard.post("/dashboard/webhooks/regenerate-secret")
@needs(Act.MANAGE_WEBHOOKS)
def regenerate_webhook_secret() -> ResponseReturnValue:
    if request.form.get("confirmed") != "yes":
        return pages.page("dashboard/webhooks/confirm_secret.html", section="webhooks")
    with transaction():
        endpoints.regenerate_secret(g.person.merchant_id, g.person.email)
    flash("There is a new signing secret. Put it into your server now.", "good")
    return _back()


@dashboard.post("/dashboard/webhooks/retry-failed")
@needs(Act.MANAGE_WEBHOOKS)
def retry_failed_webhooks() -> ResponseReturnValue:
    event = _filters().get("event")
    if request.form.get("confirmed") != "yes":
        with reading():
            count = deliveries.count_failed(g.person.merchant_id, event)
        return pages.page(
            "dashboard/webhooks/confirm_retry.html", section="webhooks", count=count, event=event
        )
    with transaction():
        count = deliveries.retry_failed(g.person.merchant_id, g.person.email, event)
    flash(f"{_counted(count)} on the way again." if count else "Nothing had failed.", "good")
    return _back()


@dashboard.post("/dashboard/webhooks/<delivery_id>/retry")
@needs(Act.MANAGE_WEBHOOKS)
def retry_webhook(delivery_id: str) -> ResponseReturnValue:
    with transaction():
        deliveries.retry(g.person.merchant_id, g.person.email, delivery_id)
    flash("The delivery is on its way again.", "good")
    if request.form.get("from") == "its page":
        return redirect(url_for("dashboard.webhook", delivery_id=delivery_id), 303)
    return _back()


@dashboard.get("/dashboard/webhooks/log")
def webhook_log() -> ResponseReturnValue:
    return pages.live("dashboard/webhooks/_log.html", **_log())


@dashboard.get("/dashboard/webhooks/<delivery_id>")
def webhook(delivery_id: str) -> ResponseReturnValue:
    return pages.page("dashboard/webhooks/delivery.html", section="webhooks", **_delivery(delivery_id))


@dashboard.get("/dashboard/webhooks/<delivery_id>/live")
def webhook_live(delivery_id: str) -> ResponseReturnValue:
    return pages.live("dashboard/webhooks/_delivery.html", **_delivery(delivery_id))


def _page(refusal: BadRequest | None = None) -> ResponseReturnValue:
    """The page as it stands or, after a refusal, with what was typed and the reason beside it."""
    with transaction():
        endpoint = endpoints.default(g.person.merchant_id)
    may_see = roles.may(g.person.role, Act.SEE_SECRETS)
    chosen = endpoint.events
    if refusal and "wants" in request.form:
        chosen = request.form.getlist("events") if request.form["wants"] == "some" else None
    return pages.page(
        "dashboard/webhooks/page.html",
        refusal.status if refusal else 200,
        section="webhooks",
        endpoint=endpoint,
        is_usable=endpoints.is_usable(endpoint),
        url=request.form.get("webhook_url", "") if refusal else endpoint.url,
        chosen=chosen,
        events=EVENTS,
        secret_text=endpoints.secret_of(endpoint) if may_see else None,
        is_covered=not config.current().is_sandbox and request.args.get("secret") != "shown",
        problems=_beside_its_field(refusal),
        **_log(),
    )


def _beside_its_field(refusal: BadRequest | None) -> dict[str, str]:
    """What is wrong, by the field it stands beside; on a page these have other names than in JSON."""
    if refusal is None:
        return {}
    if refusal.field == "events":
        return {"events": "Choose at least one event, or every event."}
    return {"webhook_url": refusal.description.replace("webhook_url", "The address")}


def _log() -> dict[str, Any]:
    """A page of the deliveries that the query asks for, with one of them opened."""
    chosen = _filters()
    after, merchant_id = request.args.get("after") or None, g.person.merchant_id
    with reading():
        wanted = Wanted(limit=PAGE_SIZE, after=after, where=chosen, counted=False)
        page = listing.page(Delivery, merchant_id, wanted)
        opened = next((row for row in page.rows if row.id == request.args.get("open")), None)
        return {
            "log": page,
            "chosen_event": chosen.get("event"),
            "chosen_status": chosen.get("status"),
            "filters": FILTERS,
            "is_newest": after is None,
            "are_under_way": deliveries.are_under_way(merchant_id),
            "failed_count": deliveries.count_failed(merchant_id, chosen.get("event")),
            "retried_at_once": deliveries.RETRIED_AT_ONCE,
            "counted": _counted,
            "opened": None if opened is None else _shown(opened),
        }


def _filters() -> dict[str, str]:
    """What the query filters by; words that there are not filter nothing."""
    return {name: request.args[name] for name, words in FILTERS.items() if request.args.get(name) in words}


def _delivery(delivery_id: str) -> dict[str, Any]:
    with reading():
        return {"shown": _shown(deliveries.get(g.person.merchant_id, delivery_id))}


def _shown(delivery: Delivery) -> dict[str, Any]:
    """All there is to see of a delivery."""
    endpoint, attempts = deliveries.endpoint_of(delivery), deliveries.attempts_of(delivery)
    return {
        "delivery": delivery,
        "endpoint": endpoint,
        "attempts": attempts[-MAX_ATTEMPTS_SHOWN:],
        "headers": deliveries.rebuilt_headers(delivery, endpoint, attempts[-1]) if attempts else {},
        "pretty": json.dumps(json.loads(delivery.payload), indent=2, ensure_ascii=False),
    }


def _counted(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count:,} deliveries"


def _back() -> ResponseReturnValue:
    """To the page with the filters that it had."""
    return redirect((url_for("dashboard.webhooks") + pages.query()).rstrip("?"), 303)
