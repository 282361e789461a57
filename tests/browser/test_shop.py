"""The test shop in a browser: with a stand-in that says what it is told to, and with the real checkout."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from playwright.sync_api import Browser, FrameLocator, Page, expect

from test_merchant.app import create_app
from test_merchant.settings import Settings
from tests.browser.conftest import NARROW, WIDE, Watch, fits, is_accessible
from tests.browser.shopfront import modal_is_gone
from tests.browser.test_sdk import pay_by_card, pay_by_upi
from tests.faults.processes import wait_until
from tests.faults.town import Town
from tests.roof.test_check import serving

SDK = """
window.opened = [];
window.PaymentGateway = class {
  constructor(options) { this.options = options; }
  open() {
    if (this.frame) return;
    this.frame = document.createElement("iframe");
    this.frame.src = `${ORIGIN}/checkout?order_id=${this.options.orderId}&embedded=true`;
    this.frame.className = "payment-iframe";
    document.body.append(this.frame);
    window.opened.push(this);
  }
  close() { this.frame.remove(); this.frame = null; this.options.onClose(); }
};
"""


class StandIn:
    """As much of the gateway and its checkout as the shop's pages meet."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.app = Flask("stand-in")
        self.app.add_url_rule("/api/v1/orders", view_func=self.create_order, methods=["POST"])
        self.app.add_url_rule("/api/v1/orders/<order_id>", view_func=self.get_order)
        self.app.add_url_rule("/checkout.js", view_func=self.sdk)
        self.app.add_url_rule("/checkout", view_func=lambda: "<!doctype html><title>Checkout</title>Pay here")

    def create_order(self) -> ResponseReturnValue:
        order_id = f"order_{len(self.orders):016d}"
        self.orders[order_id] = {**request.get_json(), "id": order_id, "status": "created"}
        return self.orders[order_id], 201

    def get_order(self, order_id: str) -> ResponseReturnValue:
        return self.orders[order_id]

    def sdk(self) -> ResponseReturnValue:
        script = SDK.replace("${ORIGIN}", request.host_url.rstrip("/"))
        return Response(script, mimetype="text/javascript")

    def say_paid(self) -> None:
        for order in self.orders.values():
            order["status"] = "paid"


@pytest.fixture
def gateway() -> StandIn:
    return StandIn()


@pytest.fixture
def shop(gateway: StandIn, chromium: Browser) -> Iterator[Watch]:
    """A watched browser in a shop that buys from the stand-in."""
    with ExitStack() as undo:
        url = undo.enter_context(serving(gateway.app))
        shop_url = undo.enter_context(serving(create_app(Settings(gateway_url=url, checkout_url=url))))
        watch = Watch(chromium, shop_url)
        yield watch
        for context in watch.contexts:
            context.close()
    assert watch.complaints == []


def pay_now(page: Page) -> None:
    page.goto("/items/winter-tea")
    page.get_by_test_id("pay-now-button").click()


def state(page: Page) -> Any:
    return expect(page.get_by_test_id("order"))


def let_pass(page: Page, seconds: int) -> None:
    """For the page alone: its timers go off, nobody waits."""
    page.clock.run_for(1000 * seconds)
    page.evaluate("document.title")  # what was asked for until now has been reported when this is answered


def test_pay_now_opens_the_checkout_and_a_reload_does_not(shop: Watch) -> None:
    page = shop.open()
    pay_now(page)
    frame = page.locator("iframe.payment-iframe")
    expect(frame).to_have_count(1)
    expect(page.frame_locator("iframe.payment-iframe").get_by_text("Pay here")).to_be_visible()
    options = page.evaluate("({key: opened[0].options.key, orderId: opened[0].options.orderId})")
    assert options == {"key": "key_test_abc123", "orderId": "order_0000000000000000"}
    assert page.url.endswith("/orders/order_0000000000000000")
    page.reload()
    expect(page.get_by_test_id("pay-button")).to_be_visible()
    expect(frame).to_have_count(0)
    page.get_by_test_id("pay-button").click()
    expect(frame).to_have_count(1)


def test_it_is_paid_when_the_gateway_says_so_and_not_when_the_browser_does(
    shop: Watch, gateway: StandIn
) -> None:
    page = shop.open()
    pay_now(page)
    expect(page.locator("iframe.payment-iframe")).to_have_count(1)
    with page.expect_response(re.compile("/state$")) as looked:
        page.evaluate("opened[0].options.onSuccess({paymentId: 'pay_1', status: 'success'})")
    assert 'data-state="unpaid"' in looked.value.text()
    expect(page.get_by_role("status")).to_contain_text("Waiting for the gateway")
    state(page).to_have_attribute("data-state", "unpaid")
    gateway.say_paid()
    state(page).to_have_attribute("data-state", "paid")
    expect(page.get_by_role("status")).to_be_hidden()
    expect(page.get_by_test_id("pay-button")).to_have_count(0)
    page.evaluate("opened[0].options.onSuccess({paymentId: 'pay_1', status: 'success'})")
    expect(page.get_by_role("status")).to_be_hidden()


def test_a_failure_is_told_and_can_be_tried_again(shop: Watch) -> None:
    page = shop.open()
    pay_now(page)
    expect(page.locator("iframe.payment-iframe")).to_have_count(1)
    page.evaluate("opened[0].options.onFailure({code: 'PAYMENT_FAILED', message: '<b>Declined</b>'})")
    expect(page.get_by_role("status")).to_have_text("<b>Declined</b>")
    page.evaluate("opened[0].close()")
    page.get_by_test_id("pay-button").click()
    expect(page.locator("iframe.payment-iframe")).to_have_count(1)


def test_it_rests_while_nobody_looks_and_once_it_is_paid(shop: Watch, gateway: StandIn) -> None:
    page = shop.open()
    page.clock.install()
    page.add_init_script("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    looks: list[str] = []
    page.on("request", lambda asked: looks.append(asked.url) if asked.url.endswith("/state") else None)
    pay_now(page)
    state(page).to_have_attribute("data-state", "unpaid")
    let_pass(page, seconds=20)
    assert looks == []

    with page.expect_response(re.compile("/state$")):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    gateway.say_paid()
    state(page).to_have_attribute("data-state", "paid")
    before = len(looks)
    let_pass(page, seconds=20)
    assert len(looks) == before


def test_without_the_sdk_the_button_leads_to_the_hosted_page(shop: Watch) -> None:
    page = shop.open()
    page.route("**/checkout.js", lambda route: route.abort())
    pay_now(page)
    page.get_by_test_id("pay-button").click()
    expect(page.get_by_text("Pay here")).to_be_visible()
    assert page.url.endswith("/checkout?order_id=order_0000000000000000")
    shop.forgive("checkout.js")


def test_without_scripts_everything_can_be_bought(shop: Watch, gateway: StandIn) -> None:
    page = shop.open(scripts=False)
    page.goto("/")
    page.get_by_role("button", name="Add to cart: Masala chai").click()
    page.get_by_label("Quantity of Masala chai", exact=True).fill("3")
    page.get_by_test_id("update-button").click()
    expect(page.get_by_test_id("cart-total")).to_have_text("₹960.00")
    page.get_by_test_id("pay-now-button").click()
    state(page).to_have_attribute("data-state", "unpaid")
    gateway.say_paid()
    # The page asks to be loaded again by itself.
    state(page).to_have_attribute("data-state", "paid")


def visit_cart(page: Page) -> None:
    for item in ("winter-tea", "teapot"):
        page.goto(f"/items/{item}")
        page.get_by_test_id("add-to-cart-button").click()
    expect(page.get_by_test_id("cart")).to_be_visible()


def visit_order(page: Page) -> None:
    pay_now(page)
    expect(page.locator("iframe.payment-iframe")).to_have_count(1)
    page.evaluate("opened[0].close()")
    page.evaluate("opened[0].options.onFailure({message: 'Declined by the bank'})")


PAGES: dict[str, Callable[[Page], object]] = {
    "shelf": lambda page: page.goto("/"),
    "item": lambda page: page.goto("/items/masala-chai"),
    "empty cart": lambda page: page.goto("/cart"),
    "cart": visit_cart,
    "order": visit_order,
    "orders": lambda page: page.goto("/orders"),
    "events": lambda page: page.goto("/events"),
}


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)], ids=["wide", "narrow and dark"])
def test_every_page_is_accessible_and_fits(shop: Watch, size: tuple[int, int], dark: bool) -> None:
    page = shop.open(size=size, dark=dark)
    for visit in PAGES.values():
        visit(page)
        is_accessible(page)
        fits(page)


# ---- The real checkout


@pytest.fixture
def market(town: Town, chromium: Browser) -> Iterator[Watch]:
    """A watched browser in a shop that sells through the real gateway."""
    url = f"http://localhost:{town.port}"
    with ExitStack() as undo:
        configured = Settings(gateway_url=url, checkout_url=url)
        shop_url = undo.enter_context(serving(create_app(configured)))
        town.seeded_merchant().receive_at(f"{shop_url}/webhook")
        undo.callback(town.seeded_merchant().receive_at, None)
        watch = Watch(chromium, shop_url)
        yield watch
        for context in watch.contexts:
            context.close()
    assert watch.complaints == []


def checkout_of(page: Page) -> FrameLocator:
    return page.frame_locator("[data-test-id=payment-iframe]")


def expect_paid(page: Page, town: Town) -> None:
    """The order page shows it, and the payment that it names is the one in the database."""
    state(page).to_have_attribute("data-state", "paid")
    order_id = page.get_by_test_id("order-id").inner_text()
    query = "SELECT id FROM payments WHERE order_id = :order_id AND status = 'success'"
    [payment] = town.rows(query, order_id=order_id)
    shop_url = page.url.split("/orders/")[0]
    heard = f"{shop_url}/events.json"
    wait_until(
        lambda: any(
            (row["event"], row["order_id"]) == ("order.paid", order_id)
            for row in town.http.request("GET", heard).json()
        ),
        30,
        "the webhook in the shop",
    )
    page.reload()
    expect(page.get_by_test_id("payment-id")).to_have_text(payment["id"])
    expect(page.get_by_test_id("parcels")).to_have_text("1")


@pytest.mark.parametrize(
    ("pay", "size"), [(pay_by_upi, WIDE), (pay_by_card, NARROW)], ids=["by UPI", "by card on a phone"]
)
def test_from_the_shelf_to_a_paid_order(
    market: Watch, town: Town, pay: Callable[[FrameLocator], None], size: tuple[int, int]
) -> None:
    page = market.open(size=size)
    page.goto("/")
    page.get_by_role("button", name="Add to cart: Nilgiri winter tea").click()
    page.get_by_test_id("pay-now-button").click()
    pay(checkout_of(page))
    modal_is_gone(page)
    expect_paid(page, town)


def test_a_refused_payment_is_told_and_another_one_pays(market: Watch, town: Town) -> None:
    page = market.open()
    pay_now(page)
    pay_by_upi(checkout_of(page), "declined@sandbox")
    expect(page.locator("#note")).to_have_text("Payment was declined by the bank")
    checkout_of(page).get_by_test_id("retry-button").click()
    pay_by_card(checkout_of(page))
    modal_is_gone(page)
    expect_paid(page, town)


def test_a_closed_checkout_opens_again(market: Watch, town: Town) -> None:
    page = market.open()
    pay_now(page)
    expect(checkout_of(page).get_by_test_id("method-upi")).to_be_visible()
    page.get_by_test_id("close-modal-button").click()
    modal_is_gone(page)
    state(page).to_have_attribute("data-state", "unpaid")
    page.get_by_test_id("pay-button").click()
    pay_by_upi(checkout_of(page))
    modal_is_gone(page)
    expect_paid(page, town)


def test_without_scripts_the_hosted_page_takes_the_money(market: Watch, town: Town) -> None:
    page = market.open(scripts=False)
    pay_now(page)
    order_page = page.url.removesuffix("#pay")
    page.get_by_test_id("pay-button").click()
    page.get_by_test_id("method-upi").click()
    page.get_by_test_id("vpa-input").fill("success@sandbox")
    page.get_by_test_id("upi-form").get_by_test_id("pay-button").click()
    expect(page.get_by_test_id("success-state")).to_be_visible()
    page.goto(order_page)
    expect_paid(page, town)
