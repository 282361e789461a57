"""The page: one address that shows an order, the forms to pay it, and what became of a payment."""

from typing import Any

import segno
from flask import Response, g, redirect, request
from flask.typing import ResponseReturnValue

from gateway.checkout import checkout, visits
from gateway.checkout.visits import Visit
from gateway.checkout.words import NAMES, Words
from gateway.core import clock, config, crypto
from gateway.core.errors import NotFound, Refusal
from gateway.domain import methods, orders, payments
from gateway.models import Payment
from gateway.web import pages, ratelimit, sdk

# Where the reason for a refusal is shown: the input, and the words for it.
_PROBLEMS = {
    "vpa": ("vpa", "vpa_wrong"),
    "card.number": ("number", "number_wrong"),
    "card.expiry_month": ("expiry", "expiry_wrong"),
    "card.expiry_year": ("expiry", "expiry_wrong"),
    "card.cvv": ("cvv", "cvv_wrong"),
    "card.holder_name": ("holder_name", "name_wrong"),
    "checkout_token": ("form", "link_incomplete"),
    "EXPIRED_CARD": ("expiry", "card_expired"),
}
_STATES = {"pending": "processing", "success": "success", "failed": "error"}
# What the script says by itself.
_SPOKEN = (
    *("vpa_wrong", "number_wrong", "expiry_wrong", "card_expired"),
    *("cvv_wrong", "cvv_wrong_amex", "name_wrong"),
    *("sending", "waiting", "slow", "offline", "given_up", "wrong_shop", "time_left"),
)


@checkout.get("/checkout")
def show() -> ResponseReturnValue:
    ratelimit.count_request()
    visit = visits.begin(request.args)
    if not visit.is_embedded:  # in a frame the token comes with the handshake, after the page
        orders.admit(visit.order, visit.shop, visit.token)
    payment_id = request.args.get("payment_id")
    payment = visits.payment_of(visit, payment_id) if payment_id else None
    return render(visit, payment, method=request.args.get("method"))


@checkout.get("/checkout.html")
def old_address() -> ResponseReturnValue:
    return redirect(f"/checkout{pages.query()}", 301)


@checkout.get("/checkout/<path:_rest>")
def nowhere(_rest: str) -> ResponseReturnValue:
    raise NotFound("There is nothing at this address")


def render(
    visit: Visit,
    payment: Payment | None = None,
    *,
    method: str | None = None,
    refusal: Refusal | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """The page of this visit. What was typed comes back with a refusal, but never number or CVV."""
    words = Words(visit.language)
    field, problem = _problem(refusal, words)
    return pages.page(
        "checkout/page.html",
        200 if refusal is None else refusal.status,
        visit=visit,
        payment=payment,
        state=_state(visit, payment),
        app=_app(payment),
        method=method if method in ("upi", "card") else None,
        offers_app=visit.order.currency == "INR",
        key=crypto.new_token(),
        problems={field: problem},
        typed=typed or {},
        reason=words.of_bank(payment.error_description) if payment else None,
        **common(words),
    )


def common(words: Words) -> dict[str, Any]:
    """What the page knows that a problem page knows, too."""
    spoken = {name: words(name) for name in _SPOKEN}
    patterns = {"networks": dict(methods.NETWORK_PATTERNS), "vpa": methods.VPA_PATTERN}
    return {
        "t": words,
        "languages": NAMES,
        "is_sandbox": config.current().is_sandbox,
        "may_embed": g.get("may_embed"),
        "frame_script": sdk.path("frame.js"),
        "script_data": {"words": spoken, **patterns},
    }


def _problem(refusal: Refusal | None, words: Words) -> tuple[str, str | None]:
    """The input that is to blame, or the whole form, and what to say about it."""
    if refusal is None:
        return "", None
    known = _PROBLEMS.get(refusal.code) or _PROBLEMS.get(refusal.field or "")
    return (known[0], words(known[1])) if known else ("form", words.of_bank(refusal.description))


def _state(visit: Visit, payment: Payment | None) -> str:
    if payment is not None:
        return _STATES[payment.status]
    return "choosing" if payments.is_payable(visit.order) else "paid"


def _app(payment: Payment | None) -> dict[str, str] | None:
    """The link into the payer's app, as long as that is what the payment waits for."""
    if payment is None or payment.upi_link is None or payment.vpa is not None or payment.status != "pending":
        return None
    until = payment.created_at + payments.INTENT_LIFETIME
    picture = segno.make(payment.upi_link, error="m", micro=False)
    return {
        "link": payment.upi_link,
        "picture": picture.svg_data_uri(border=2, dark="#14171c", light="#fff"),
        "until": clock.iso(until) or "",
        "until_text": f"{until:%H:%M:%S} UTC",
    }
