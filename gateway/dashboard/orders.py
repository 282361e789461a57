"""Orders: made here or by the merchant's server, shared as a link, and watched until they are paid."""

from functools import lru_cache
from typing import Any

import segno
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core import config, ids, money
from gateway.core.db import reading
from gateway.core.errors import BadRequest
from gateway.core.validation import validate
from gateway.dashboard import dashboard, seeking
from gateway.dashboard.once import once
from gateway.dashboard.signing_in import needs
from gateway.domain import orders as verbs
from gateway.domain import search
from gateway.domain.links import payment_link
from gateway.domain.orders import OrderBody
from gateway.domain.roles import Act
from gateway.models import Order
from gateway.models.orders import STATUSES
from gateway.web import pages

_COMMON = ("INR", "USD", "EUR", "GBP", "AED", "SGD", "JPY")
_FIELDS = {"amount": "amount_text", "notes": "notes_text"}


@dashboard.get("/dashboard/orders")
def orders() -> ResponseReturnValue:
    return pages.page("dashboard/orders/page.html", **_listed())


@dashboard.get("/dashboard/orders/rows")
def order_rows() -> ResponseReturnValue:
    return pages.live("dashboard/orders/_fragment.html", **_listed())


def _listed() -> dict[str, Any]:
    sought = seeking.read(status=STATUSES).sought
    with reading():
        found = search.page(Order, g.person.merchant_id, sought)
        is_new_here = not found.rows and not search.has_any(Order, g.person.merchant_id)
    return {
        "section": "orders",
        "found": found,
        "sought": sought,
        "is_new_here": is_new_here,
        "is_live": sought.is_quick and found.newer is None,
        "statuses": STATUSES,
    }


@dashboard.get("/dashboard/orders/new")
@needs(Act.CREATE_ORDERS)
def new_order() -> ResponseReturnValue:
    return _form()


@dashboard.post("/dashboard/orders")
@needs(Act.CREATE_ORDERS)
def create_order() -> ResponseReturnValue:
    try:
        body = _asked()
        order_id = once(lambda: verbs.create(g.person.merchant_id, body).id)
    except BadRequest as problem:
        return _form(problem)
    flash("The order is made. Share its link with the payer.", "good")
    return redirect(url_for("dashboard.order", order_id=order_id), 303)


def _asked() -> OrderBody:
    """The order that the form describes."""
    typed = {name: value.strip() for name, value in request.form.items()}
    currency = typed.get("currency", "")
    if currency not in money.EXPONENTS:
        raise BadRequest("Choose a currency", field="currency")
    amount = money.parse(typed.get("amount_text", ""), currency, "amount_text")
    if amount < money.minimum(currency):
        least = money.display(money.minimum(currency), currency)
        raise BadRequest(f"The least is {least}", field="amount_text")
    notes = _notes(typed.get("notes_text", ""))
    if typed.get("description"):
        notes = {"description": typed["description"]} | notes
    receipt = typed.get("receipt") or None
    return validate(
        OrderBody, {"amount": amount, "currency": currency, "receipt": receipt, "notes": notes or None}
    )


def _notes(text: str) -> dict[str, str]:
    """One note a line, `name: value`."""
    notes = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if colon and name:
            notes[name] = value
        elif line.strip():
            raise BadRequest(f"Line {number} needs a name, a colon and a value", field="notes_text")
    return notes


def _form(problem: BadRequest | None = None) -> ResponseReturnValue:
    problems = {}
    if problem is not None:
        field, _, part = (problem.field or "amount").partition(".")
        name = "description" if part == "description" else _FIELDS.get(field, field)
        words = problem.description.removeprefix(f"{problem.field} ")
        problems[name] = words[0].upper() + words[1:]
    return pages.page(
        "dashboard/orders/new.html",
        400 if problem else 200,
        section="orders",
        typed=request.form,
        problems=problems,
        form_id=request.form.get("form_id") or ids.new_id("form"),
        common=_COMMON,
        currencies=sorted(set(money.EXPONENTS) - set(_COMMON)),
    )


@dashboard.get("/dashboard/orders/<order_id>")
def order(order_id: str) -> ResponseReturnValue:
    return pages.page("dashboard/order/page.html", **_seen(order_id))


@dashboard.get("/dashboard/orders/<order_id>/state")
def order_state(order_id: str) -> ResponseReturnValue:
    return pages.live("dashboard/order/_fragment.html", **_seen(order_id))


def _seen(order_id: str) -> dict[str, Any]:
    found = verbs.get(g.person.merchant_id, order_id)
    with reading():
        tries = search.payments_of(found)
    can_be_paid = found.status != "paid" or config.current().repeat_payments
    link = payment_link(found) if can_be_paid else None
    return {
        "section": "orders",
        "order": found,
        "payments": tries,
        "link": link,
        "qr": _qr(link) if link else None,
        "is_live": found.status != "paid" or any(each.status == "pending" for each in tries),
    }


@lru_cache(maxsize=256)
def _qr(link: str) -> str:
    """The link as a picture, for an <img>. Drawn once: the page it is on asks for itself again and again."""
    return str(segno.make(link, error="m").svg_data_uri(border=2, light="#fff"))
