"""The pages for buyers: shelf, cart, order. They all work without scripts."""

import re
import secrets
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from test_merchant import cart, orders, policy
from test_merchant.books import Order
from test_merchant.catalogue import ITEMS, SHELF, Item, Line, line, total
from test_merchant.shop import current_shop

BUY_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")

storefront = Blueprint("storefront", __name__)


@storefront.get("/")
def show_shelf() -> ResponseReturnValue:
    return _page("shelf.html", shelf=SHELF)


@storefront.get("/items/<item_id>")
def show_item(item_id: str) -> ResponseReturnValue:
    item = ITEMS.get(item_id) or abort(404)
    return _page("item.html", item=item, most=cart.MOST, buy_key=_new_key())


@storefront.get("/cart")
def show_cart() -> ResponseReturnValue:
    lines = cart.lines()
    return _page("cart.html", lines=lines, total=total(lines), most=cart.MOST, buy_key=_new_key())


@storefront.post("/cart")
def add_to_cart() -> ResponseReturnValue:
    cart.add(_chosen_item(), _chosen_quantity())
    return redirect(url_for("storefront.show_cart"), 303)


@storefront.post("/cart/<item_id>")
def change_cart(item_id: str) -> ResponseReturnValue:
    item = ITEMS.get(item_id) or abort(404)
    cart.put(item, 0 if "remove" in request.form else _chosen_quantity())
    return redirect(url_for("storefront.show_cart"), 303)


@storefront.post("/buy")
def buy() -> ResponseReturnValue:
    """An order over the one thing that the form names, or over the cart; then on to its page, to be paid."""
    shop = current_shop()
    given_key = request.form.get("buy_key", "")
    buy_key = given_key if BUY_KEY.fullmatch(given_key) else _new_key()
    order = shop.books.order_bought_with(buy_key)
    if order is None:  # else the button was pressed twice
        lines = _chosen_lines()
        if not lines:
            return redirect(url_for("storefront.show_cart"), 303)
        try:
            order_id = orders.create(shop.settings, lines, buy_key)
        except orders.NoOrder as problem:
            return render_template("no_order.html", problem=problem, buy_key=buy_key, form=request.form), 502
        order = shop.books.enter(order_id, buy_key, lines)
    cart.check_out(order.id, order.lines)
    # The mark tells the page's script to open the checkout at once; on a reload it is gone.
    return redirect(url_for("storefront.show_order", order_id=order.id, _anchor="pay"), 303)


@storefront.get("/orders")
def list_orders() -> ResponseReturnValue:
    """Those of this browser."""
    found = [order for id in cart.orders() if (order := current_shop().books.order(id))]
    return _page("orders.html", orders=found)


@storefront.get("/orders/<order_id>")
def show_order(order_id: str) -> ResponseReturnValue:
    page = _page("order.html", **_order_view(order_id))
    page.headers["Content-Security-Policy"] = policy.with_checkout(current_shop().settings.checkout_url)
    return page


@storefront.get("/orders/<order_id>/state")
def show_order_state(order_id: str) -> ResponseReturnValue:
    """The part of the page that changes."""
    return _page("_order.html", **_order_view(order_id))


def _order_view(order_id: str) -> dict[str, object]:
    settings = current_shop().settings
    order = _look(order_id)
    return {
        "order": order,
        "checkout_url": settings.checkout_url,
        "hosted_page": f"{settings.checkout_url}/checkout?{urlencode({'order_id': order.id})}",
        "api_key": settings.api_key,  # the public half of the pair
    }


def _look(order_id: str) -> Order:
    """One of this shop's own orders. Until it is paid, the gateway is asked too: its webhook may be late."""
    shop = current_shop()
    order = shop.books.order(order_id) or abort(404)
    if order.state == "unpaid" and orders.is_paid(shop.settings, order.id, order.amount, order.currency):
        with shop.books.transaction():
            shop.books.mark_paid(order.id, "lookup")
        order = shop.books.order(order_id) or abort(404)
    return order


def _page(template: str, **values: object) -> Response:
    page = Response(render_template(template, **values))
    # A page shown again would show an old cart, and an old key.
    page.headers["Cache-Control"] = "no-store"
    return page


def _new_key() -> str:
    """One for each showing of a page: pressing its button twice buys once."""
    return secrets.token_urlsafe(16)


def _chosen_lines() -> tuple[Line, ...]:
    if "item" in request.form:
        return (line(_chosen_item(), _chosen_quantity()),)
    return cart.lines()


def _chosen_item() -> Item:
    return ITEMS.get(request.form.get("item", "")) or abort(400)


def _chosen_quantity() -> int:
    text = request.form.get("quantity", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= cart.MOST):
        abort(400)
    return int(text)
