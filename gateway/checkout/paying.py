"""Taking a payment from a form: one form makes one payment, however often it is sent."""

import re
from typing import Any

import orjson
from flask import redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from gateway.adapters import tokenise, upi_link
from gateway.checkout import checkout, visits
from gateway.checkout.visits import Visit
from gateway.core import crypto
from gateway.domain import idempotency, merchants, methods, orders, payments, wire
from gateway.web import ratelimit

PATH = "/checkout/payments"
_EXPIRY = re.compile(r"\s*(\d{1,2})\s*[/ -]?\s*(\d{4}|\d{2})\s*", re.ASCII)


@checkout.post(PATH)
def pay() -> ResponseReturnValue:
    ratelimit.count_request()
    visit = visits.begin(request.form)
    orders.admit(visit.order, visit.shop, visit.token)
    merchants.check_open(visit.shop)
    payment_id = _pay_once(visit, request.form.get("key", ""))
    return redirect(visit.url(payment_id=payment_id), 303)


def _pay_once(visit: Visit, form_key: str) -> str:
    """The payment that this form made, now or when it was sent before.

    The stored key is a hash, so that no payer can take one that the merchant's
    server will use; it stands for the form, whatever was typed into it.
    """
    order = visit.order
    idempotency.check_key(form_key)
    key = f"checkout:{crypto.keyed_hash('checkout_form', f'{order.id}:{form_key}'.encode())}"

    def run() -> tuple[int, str]:
        asked = methods.read(read(request.form))
        payments.check(order, asked)
        instrument = methods.instrument(asked, tokenise)
        payment = payments.create(order, instrument, upi_link)
        return 201, wire.encode(wire.public_payment(payment))

    wanted = idempotency.fingerprint("POST", PATH, {"order_id": order.id})
    stored = idempotency.once(order.merchant_id, key, wanted, run, is_light=True)
    return str(orjson.loads(stored.response)["id"])


def read(form: MultiDict[str, str]) -> dict[str, Any]:
    """The form as the API would have been sent it."""
    body: dict[str, Any] = {"order_id": form.get("order_id"), "method": form.get("method")}
    if body["method"] == "card":
        month, year = expiry(form.get("expiry", ""))
        return body | {
            "card": {
                "number": form.get("number", "").strip(),
                "expiry_month": month,
                "expiry_year": year,
                "cvv": form.get("cvv", "").strip(),
                "holder_name": form.get("holder_name", "").strip(),
            }
        }
    if form.get("flow") == "intent":
        return body | {"flow": "intent"}
    return body | {"vpa": form.get("vpa", "").strip()}


def expiry(text: str) -> tuple[str, str]:
    """Month and year of `MM/YY` and what people write for it; empty ones are refused further on."""
    match = _EXPIRY.fullmatch(text)
    return (match[1], match[2]) if match else ("", "")
