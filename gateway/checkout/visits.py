"""Who comes to pay: an order, its merchant, a language, alone or in a frame."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import g, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.checkout import framing
from gateway.checkout.words import LANGUAGES
from gateway.core.errors import NotFound
from gateway.domain import merchants, orders, payments
from gateway.domain.merchants import Shopfront
from gateway.models import Payment
from gateway.models.orders import Payable


@dataclass(frozen=True)
class Visit:
    order: Payable
    shop: Shopfront
    language: str
    is_embedded: bool
    token: str | None

    def fields(self) -> dict[str, str]:
        """What each form and link carries on, so that the next page is for the same visit."""
        carried = {"order_id": self.order.id}
        if self.is_embedded:
            carried["embedded"] = "true"
        if self.token:
            carried["checkout_token"] = self.token
        if "lang" in request.values:
            carried["lang"] = self.language
        return carried

    def url(self, **more: str) -> str:
        return f"/checkout?{urlencode(self.fields() | more)}"


def begin(given: MultiDict[str, str]) -> Visit:
    """The visit that a query string or a form asks for; it decides who may frame the answer.

    raises  NotFound  no such order
    """
    is_embedded = given.get("embedded") == "true"
    if is_embedded:
        g.may_embed = framing.may_embed(None)
    order = orders.find(given.get("order_id", ""))
    shop = merchants.shopfront(order.merchant_id)
    if is_embedded:
        g.may_embed = framing.may_embed(shop)
    visit = Visit(order, shop, language(), is_embedded, given.get("checkout_token"))
    g.visit = visit
    return visit


def language() -> str:
    """The language asked for in the address, else the one the browser likes best, else English."""
    try:
        wanted = request.values.get("lang", "")
    except RequestEntityTooLarge:
        wanted = request.args.get("lang", "")  # the answer to a form too large to be read needs words, too
    return wanted if wanted in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def payment_of(visit: Visit, payment_id: str) -> Payment:
    """A payment of this very order. Raises NotFound."""
    payment = payments.get(payment_id, visit.order.merchant_id)
    if payment.order_id != visit.order.id:
        raise NotFound("Payment not found")
    return payment
