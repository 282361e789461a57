"""The SDK on a page of another origin: what it opens, whom it believes, and what the shop is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from gateway.app import connect
from gateway.core.db import transaction
from gateway.domain import merchants
from gateway.web import sdk
from tests.browser.conftest import AXE, NARROW, Watch, fits, is_accessible
from tests.browser.shopfront import Shop, modal_is_gone, open_shop, told
from tests.conftest import PROJECT
from tests.faults.town import Merchant, Town, leave

IFRAME = "[data-test-id=payment-iframe]"


@pytest.fixture
def shop(town: Town) -> Iterator[Shop]:
    with open_shop(town) as shop:
        yield shop


@pytest.fixture
def merchant(town: Town) -> Merchant:
    return town.new_merchant()


def pay_by_upi(frame: FrameLocator, vpa: str = "success@sandbox") -> None:
    frame.get_by_test_id("method-upi").click()
    frame.get_by_test_id("vpa-input").fill(vpa)
    frame.get_by_test_id("upi-form").get_by_test_id("pay-button").click()


def pay_by_card(frame: FrameLocator, number: str = "4000000000000077") -> None:
    frame.get_by_test_id("method-card").click()
    frame.get_by_test_id("card-number-input").fill(number)
    frame.get_by_test_id("expiry-input").fill("1231")
    frame.get_by_test_id("cvv-input").fill("123")
    frame.get_by_test_id("cardholder-name-input").fill("Asha Rao")
    frame.get_by_test_id("card-form").get_by_test_id("pay-button").click()


def change(town: Town, verb: Any, *arguments: Any) -> None:
    """Let a merchant change a setting, as their dashboard does."""
    connect(town.config)
    try:
        with transaction():
            verb(*arguments)
    finally:
        leave()


@pytest.mark.parametrize("pay", [pay_by_upi, pay_by_card])
def test_the_shop_is_told_the_id_that_is_in_the_database(
    watch: Watch, town: Town, shop: Shop, merchant: Merchant, pay: Any
) -> None:
    page, order = watch.open(), merchant.order()
    frame = shop.start(page, merchant, order)
    src = f"{shop.gateway_url}/checkout?order_id={order['id']}&embedded=true"
    expect(page.get_by_test_id("payment-iframe")).to_have_attribute("src", src)
    pay(frame)
    told(page, "close")
    modal_is_gone(page)
    (payment,) = merchant.rows("payments")
    success = {"id": payment["id"], "paymentId": payment["id"], "orderId": order["id"], "status": "success"}
    assert page.evaluate("told") == [["ready"], ["success", success], ["close"]]
    assert page.evaluate("outcome") == {"outcome": "success", "payment": success}
    assert payment["status"] == "success"


def test_after_a_refusal_the_modal_stays_for_another_try(
    watch: Watch, town: Town, shop: Shop, merchant: Merchant
) -> None:
    """Of an order whose token came with the handshake, and is there at the second try, too."""
    change(town, merchants.require_checkout_token, merchant.id, "asha", True)
    page, order = watch.open(), merchant.order()
    frame = shop.start(page, merchant, order, checkoutToken=order["checkout_token"])
    told(page, "ready")
    pay_by_upi(frame, "declined@sandbox")
    expect(frame.get_by_test_id("error-message")).to_have_text("Payment was declined by the bank")
    told(page, "failure")
    frame.get_by_test_id("retry-button").click()
    pay_by_card(frame)
    told(page, "success")
    modal_is_gone(page)
    failed, paid = sorted(merchant.rows("payments"), key=lambda row: row["created_at"])
    ready, failure, success, close = page.evaluate("told")
    message = "Payment was declined by the bank"
    assert failure == ["failure", {"paymentId": failed["id"], "code": "PAYMENT_FAILED", "message": message}]
    assert (ready, success[1]["paymentId"], close) == (["ready"], paid["id"], ["close"])


@pytest.mark.parametrize("way", ["button", "escape", "escape in the frame", "overlay", "call"])
def test_it_closes_in_every_usual_way_and_says_so_once(
    watch: Watch, shop: Shop, merchant: Merchant, way: str
) -> None:
    page = watch.open()
    frame = shop.start(page, merchant, merchant.order())
    told(page, "ready")
    assert page.evaluate("document.documentElement.style.overflow") == "hidden"
    if way == "button":
        page.get_by_test_id("close-modal-button").click()
    elif way == "escape":
        page.keyboard.press("Escape")
    elif way == "escape in the frame":
        frame.get_by_test_id("method-upi").press("Escape")
    elif way == "overlay":
        page.mouse.click(5, 5)
    else:
        page.evaluate("gateway.close()")
    modal_is_gone(page)
    page.evaluate("gateway.close()")
    page.wait_for_function("window.outcome")
    assert page.evaluate("[told, outcome]") == [[["ready"], ["close"]], {"outcome": "closed"}]
    left = page.evaluate(
        "[document.documentElement.style.overflow, document.activeElement.id,"
        " document.querySelectorAll('[inert]').length]"
    )
    assert left == ["", "buy", 0]


def test_a_second_open_does_nothing_and_a_later_one_works(
    watch: Watch, shop: Shop, merchant: Merchant
) -> None:
    page = watch.open()
    shop.start(page, merchant, merchant.order())
    told(page, "ready")
    assert page.evaluate("gateway.open() === gateway.open()")
    expect(page.locator("#payment-gateway-modal")).to_have_count(1)
    page.evaluate("gateway.close()")
    modal_is_gone(page)
    page.evaluate("told.length = 0; void gateway.open()")
    told(page, "ready")
    expect(page.locator("#payment-gateway-modal")).to_have_count(1)
    assert page.evaluate("told") == [["ready"]]


def test_the_dom_is_that_of_the_contract(watch: Watch, shop: Shop, merchant: Merchant) -> None:
    page = watch.open()
    shop.start(page, merchant, merchant.order())
    content = page.locator("#payment-gateway-modal.payment-modal > .modal-overlay > .modal-content")
    expect(page.locator("#payment-gateway-modal")).to_have_attribute("data-test-id", "payment-modal")
    expect(content.locator(f"> iframe{IFRAME}")).to_be_visible()
    expect(content.locator("> button.close-button[data-test-id=close-modal-button]")).to_be_visible()
    told(page, "ready")
    is_accessible(page)


def test_the_keyboard_stays_inside(watch: Watch, shop: Shop, merchant: Merchant) -> None:
    page = watch.open()
    frame = shop.start(page, merchant, merchant.order())
    told(page, "ready")
    expect(page.get_by_test_id("close-modal-button")).to_be_focused()
    page.keyboard.press("Tab")  # past the end, so in again at the start of the frame
    page.query_selector(IFRAME).content_frame().wait_for_function("document.hasFocus()")
    page.keyboard.press("Tab")
    expect(frame.get_by_test_id("method-upi")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_test_id("close-modal-button")).to_be_focused()


def test_nobody_else_is_believed(watch: Watch, town: Town, shop: Shop, merchant: Merchant) -> None:
    page, order = watch.open(), merchant.order()
    frame = shop.start(page, merchant, order)
    told(page, "ready")
    forged = {"type": "payment_success", "data": {"paymentId": "pay_forged", "orderId": order["id"]}}
    nonce = page.evaluate("gateway._open.nonce")
    # The page itself, knowing the nonce; another window of the checkout's own origin, knowing it, too;
    # our frame with another one or none.
    page.evaluate("message => window.postMessage(message, location.origin)", forged | {"nonce": nonce})
    page.evaluate(
        """([message, url]) => new Promise(done => {
            const other = document.createElement("iframe");
            other.id = "other";
            other.src = url;
            other.onload = done;
            document.body.append(other);
        })""",
        [forged, f"{shop.gateway_url}/checkout?order_id={order['id']}&embedded=true"],
    )
    ours, other = (page.query_selector(name).content_frame() for name in (IFRAME, "#other"))
    post = "([message, origin]) => parent.postMessage(message, origin)"
    other.evaluate(post, [forged | {"nonce": nonce}, shop.url])
    ours.evaluate(post, [forged | {"nonce": "0" * 32}, shop.url])
    ours.evaluate(post, [forged, shop.url])
    # And the frame believes its first visitor only.
    page.evaluate(
        "([selector, origin]) => document.querySelector(selector).contentWindow.postMessage("
        "{type: 'open_checkout', key: 'key_forged', nonce: 'f'.repeat(32)}, origin)",
        [IFRAME, shop.gateway_url],
    )
    frame.get_by_test_id("method-upi").press("Escape")  # comes behind all of those
    modal_is_gone(page)
    assert page.evaluate("told") == [["ready"], ["close"]]
    assert merchant.rows("payments") == []


def test_a_key_of_another_merchant_pays_nothing(watch: Watch, town: Town, shop: Shop) -> None:
    merchant, rival = town.new_merchant(), town.new_merchant()
    page = watch.open()
    frame = shop.start(page, rival, merchant.order())
    told(page, "failure")
    expect(frame.get_by_test_id("error-state")).to_be_visible()
    expect(frame.get_by_test_id("payment-methods")).to_be_hidden()
    ((name, failure),) = page.evaluate("told")
    assert (name, failure["paymentId"], failure["code"]) == ("failure", None, "AUTHENTICATION_ERROR")
    expect(page.get_by_test_id("payment-iframe")).to_be_visible()


def test_an_unknown_order_ends_in_a_failure(watch: Watch, shop: Shop, merchant: Merchant) -> None:
    page = watch.open()
    frame = shop.start(page, merchant, {"id": "order_0000000000000000"})
    told(page, "failure")
    expect(frame.get_by_test_id("error-message")).to_contain_text("Order not found")
    assert page.evaluate("told[0][1].code") == "NOT_FOUND_ERROR"
    watch.forgive("404")


def test_only_listed_origins_may_frame_it(watch: Watch, town: Town, shop: Shop, merchant: Merchant) -> None:
    order = merchant.order()
    change(town, merchants.save_allowed_origins, merchant.id, "asha", ["https://shop.example"])
    stranger = watch.open()
    with stranger.expect_event("console", lambda message: "frame-ancestors" in message.text):
        shop.start(stranger, merchant, order)
    expect(stranger.frame_locator(IFRAME).get_by_test_id("checkout-container")).to_have_count(0)
    assert stranger.evaluate("told") == []
    stranger.close()
    change(town, merchants.save_allowed_origins, merchant.id, "asha", ["https://shop.example", shop.url])
    page = watch.open()
    shop.start(page, merchant, order)
    told(page, "ready")
    watch.complaints[:] = [each for each in watch.complaints if shop.gateway_url not in each]


def test_what_the_shop_knows_is_filled_in(watch: Watch, shop: Shop, merchant: Merchant) -> None:
    page = watch.open()
    prefill = {"method": "upi", "vpa": "asha@upi", "name": "Asha Rao"}
    frame = shop.start(page, merchant, merchant.order(), prefill=prefill, theme={"color": "#0a7d32"})
    expect(frame.get_by_test_id("vpa-input")).to_have_value("asha@upi")
    button = frame.get_by_test_id("upi-form").get_by_test_id("pay-button")
    expect(button).to_have_css("background-color", "rgb(10, 125, 50)")
    frame.get_by_test_id("method-card").click()
    expect(frame.get_by_test_id("cardholder-name-input")).to_have_value("Asha Rao")
    # Another language is another page in the frame, which is greeted anew; the shop hears of it once.
    frame.get_by_role("link", name="हिन्दी").click()
    expect(frame.locator("html")).to_have_attribute("lang", "hi")
    expect(frame.get_by_test_id("vpa-input")).to_be_visible()
    expect(frame.get_by_test_id("vpa-input")).to_have_value("asha@upi")
    assert page.evaluate("told") == [["ready"]]


def test_on_a_phone_it_fills_the_screen(watch: Watch, shop: Shop, merchant: Merchant) -> None:
    page = watch.open(size=NARROW, has_touch=True)
    frame = shop.start(page, merchant, merchant.order())
    told(page, "ready")
    box = page.get_by_test_id("payment-iframe").bounding_box()
    assert box == {"x": 0, "y": 0, "width": NARROW[0], "height": NARROW[1]}
    fits(page)
    frame.get_by_test_id("method-card").click()
    inside = page.query_selector(IFRAME).content_frame()
    assert inside.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    inside.evaluate(AXE.read_text())
    found = inside.evaluate("async () => (await axe.run()).violations.map(each => [each.id, each.impact])")
    assert [each for each in found if each[1] in ("serious", "critical")] == []
    button = frame.get_by_test_id("card-form").get_by_test_id("pay-button")
    button.scroll_into_view_if_needed()
    expect(button).to_be_in_viewport()


# Loading it


@pytest.mark.parametrize("is_right", [True, False])
def test_a_page_may_hold_the_script_to_its_word(watch: Watch, shop: Shop, is_right: bool) -> None:
    integrity = sdk.integrity() if is_right else f"sha384-{'A' * 64}"
    src = shop.gateway_url + sdk.path()
    shop.script = f'<script src="{src}" integrity="{integrity}" crossorigin="anonymous"></script>'
    page = watch.open()
    page.goto(shop.url)
    assert page.evaluate("typeof PaymentGateway") == ("function" if is_right else "undefined")
    if not is_right:
        watch.forgive("integrity")


def test_what_is_missing_is_said_at_construction(watch: Watch, shop: Shop) -> None:
    page = watch.open()
    page.goto(shop.url)
    good = {"key": "k", "orderId": "o"}
    words = page.evaluate(
        """tries => tries.map(options => {
            try { new PaymentGateway(options); } catch (error) { return error.message; }
        })""",
        [None, {}, {"key": "k"}, {"orderId": "o"}, {"key": "", "orderId": "o"}, good | {"onClose": 1}],
    )
    key, order = "PaymentGateway: key is required", "PaymentGateway: orderId is required"
    assert words == [key, key, order, key, key, "PaymentGateway: onClose must be a function"]


def load_as_module(page: Page, call: str) -> Any:
    source = (PROJECT / "checkout_widget" / "checkout.js").read_text()
    return page.evaluate(call, source)


def test_it_is_a_module_to_those_who_have_modules(watch: Watch) -> None:
    page = watch.open()
    common = "source => { const module = {exports: {}}; new Function('module', 'define', source)(module);"
    amd = "source => { let made; const define = make => { made = make(); }; define.amd = {};"
    amd += " new Function('module', 'define', source)(undefined, define);"
    use = " const options = {key: 'k', orderId: 'o', checkoutUrl: 'https://pay.example/'};"
    use += " return [typeof window.PaymentGateway, new Gateway(options)._origin]; }"
    expected = ["undefined", "https://pay.example"]
    assert load_as_module(page, f"{common} const Gateway = module.exports; {use}") == expected
    assert load_as_module(page, f"{common} const Gateway = module.exports.PaymentGateway; {use}") == expected
    assert load_as_module(page, f"{amd} const Gateway = made; {use}") == expected
    bare = "new module.exports({key: 'k', orderId: 'o'})"
    refusal = load_as_module(page, f"{common} try {{ {bare}; }} catch (error) {{ return error.message; }} }}")
    assert "checkoutUrl is required" in refusal
