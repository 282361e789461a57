"""The hosted page, as a payer uses it: on a phone, at a desk, with and without scripts, and in trouble."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NARROW, WIDE, Watch, fits, is_accessible
from tests.faults.town import Merchant, Town


@pytest.fixture
def merchant(town: Town) -> Merchant:
    return town.new_merchant()


def address(merchant: Merchant, **query: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/checkout?order_id={merchant.order()['id']}{more}"


def pay_button(page: Page, form: str) -> Locator:
    return page.get_by_test_id(form).get_by_test_id("pay-button")


def pay_by_upi(page: Page, vpa: str = "success@sandbox") -> None:
    page.get_by_test_id("vpa-input").fill(vpa)
    pay_button(page, "upi-form").click()


def fill_card(page: Page, number: str = "4000000000000077", expiry: str = "12/31", cvv: str = "123") -> None:
    page.get_by_test_id("card-number-input").fill(number)
    page.get_by_test_id("expiry-input").fill(expiry)
    page.get_by_test_id("cvv-input").fill(cvv)
    page.get_by_test_id("cardholder-name-input").fill("Asha Rao")


def is_well_drawn(page: Page) -> None:
    is_accessible(page)
    fits(page)


@pytest.mark.parametrize(("size", "dark"), [(NARROW, False), (WIDE, True)])
def test_a_card_pays_an_order(watch: Watch, merchant: Merchant, size: tuple[int, int], dark: bool) -> None:
    page = watch.open(size=size, dark=dark)
    page.goto(address(merchant))
    expect(page.get_by_test_id("card-form")).to_be_hidden()
    is_well_drawn(page)
    page.get_by_test_id("method-card").click()
    expect(page.get_by_test_id("upi-form")).to_be_hidden()
    fill_card(page, "1", "0124", "1")
    pay_button(page, "card-form").click()
    expect(page.get_by_test_id("card-number-input")).to_be_focused()
    is_well_drawn(page)
    fill_card(page)
    expect(pay_button(page, "card-form")).to_be_in_viewport()
    pay_button(page, "card-form").click()
    expect(page.get_by_test_id("success-state")).to_be_visible()
    is_well_drawn(page)
    (payment,) = merchant.rows("payments")
    expect(page.get_by_test_id("payment-id")).to_have_text(payment["id"])
    assert payment["card_last4"] == "0077" and "4000000000000077" not in page.url
    assert "0077" not in page.content(), "what was typed is gone"


def test_a_refused_payment_can_be_tried_again(watch: Watch, merchant: Merchant) -> None:
    page = watch.open(size=NARROW, dark=True)
    page.goto("/login")
    page.goto(address(merchant))
    page.get_by_test_id("method-upi").click()
    is_well_drawn(page)
    pay_by_upi(page, "declined@sandbox")
    expect(page.get_by_test_id("error-message")).to_have_text("Payment was declined by the bank")
    is_well_drawn(page)
    page.get_by_test_id("retry-button").click()
    pay_by_upi(page)
    expect(page.get_by_test_id("success-message")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("success-state")).to_be_visible()
    page.go_back()  # past every step of the payment, to where the payer came from
    expect(page.get_by_test_id("login-form")).to_be_visible()
    statuses = [row["status"] for row in sorted(merchant.rows("payments"), key=lambda row: row["created_at"])]
    assert statuses == ["failed", "success"]


def test_typing_is_helped(watch: Watch, merchant: Merchant) -> None:
    page = watch.open()
    page.goto(address(merchant, method="card"))
    number, expiry, cvv = (
        page.get_by_test_id(name) for name in ("card-number-input", "expiry-input", "cvv-input")
    )
    for typed, shown, network in (
        ("4111111111111111", "4111 1111 1111 1111", "VISA"),
        ("5555555555554444", "5555 5555 5555 4444", "MASTERCARD"),
        ("2720990000000007", "2720 9900 0000 0007", "MASTERCARD"),
        ("378282246310005", "3782 822463 10005", "AMEX"),
        ("6521111111111117", "6521 1111 1111 1117", "RUPAY"),
        ("1234", "1234", ""),
    ):
        number.fill("")
        number.press_sequentially(typed)
        expect(number).to_have_value(shown)
        expect(page.locator("#network")).to_have_text(network)
    number.fill("4111111111111111")
    number.press("Home")
    number.press("ArrowRight")
    number.press("Delete")
    expect(number).to_have_value("4111 1111 1111 111")
    assert number.evaluate("input => input.selectionStart") == 1
    for typed, shown in (("1231", "12/31"), ("331", "03/31"), ("12/2031", "12/31"), ("12", "12/")):
        expiry.fill("")
        expiry.press_sequentially(typed)
        expect(expiry).to_have_value(shown)
    expiry.press("Backspace")
    expect(expiry).to_have_value("12")
    cvv.press_sequentially("12x3")
    expect(cvv).to_have_value("123")
    assert cvv.get_attribute("type") == "password"


def test_what_is_wrong_is_said_early_and_sent_nowhere(watch: Watch, merchant: Merchant) -> None:
    page = watch.open()
    page.goto(address(merchant, method="card"))
    number, note = page.get_by_test_id("card-number-input"), page.locator("#number-note")
    number.press_sequentially("411111111111111")
    expect(note).to_have_text("")  # not wrong yet, only unfinished
    number.press_sequentially("2")
    expect(note).to_contain_text("typing error")
    number.press("Backspace")
    number.press_sequentially("1")
    expect(note).to_have_text("")
    page.get_by_test_id("expiry-input").press_sequentially("0124")
    expect(page.locator("#expiry-note")).to_contain_text("expired")
    pay_button(page, "card-form").click()
    expect(page.get_by_test_id("expiry-input")).to_be_focused()
    expect(page.locator("#cvv-note")).to_contain_text("3 digits")
    page.get_by_test_id("method-upi").click()
    pay_by_upi(page, "asha")
    expect(page.locator("#vpa-note")).to_have_text("A UPI ID looks like name@bank.")
    assert merchant.rows("payments") == []


def test_a_double_click_is_one_payment(watch: Watch, merchant: Merchant) -> None:
    page = watch.open()
    page.goto(address(merchant, method="upi"))
    page.get_by_test_id("vpa-input").fill("success@sandbox")
    pay_button(page, "upi-form").dblclick()
    page.wait_for_url("**payment_id=pay_*")
    expect(page.get_by_test_id("success-state")).to_be_visible()
    assert len(merchant.rows("payments")) == 1


def test_a_reload_in_the_middle_finds_its_payment_again(watch: Watch, merchant: Merchant) -> None:
    page = watch.open(size=NARROW)
    start = address(merchant, method="upi")
    page.goto(start)
    pay_by_upi(page, "silent@sandbox")  # the bank never answers, so this waits for ever
    page.wait_for_url("**payment_id=pay_*")
    expect(page.get_by_test_id("processing-message")).to_contain_text("Waiting for your bank")
    is_well_drawn(page)
    (payment,) = merchant.rows("payments")
    page.reload()
    expect(page.get_by_test_id("processing-state")).to_be_visible()
    page.goto(start)  # as when the shop opens its modal anew
    page.wait_for_url(f"**payment_id={payment['id']}*")
    expect(page.get_by_test_id("processing-state")).to_be_visible()


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_lost_network_loses_nothing(watch: Watch, merchant: Merchant, is_patient: bool) -> None:
    page = watch.open()
    page.goto(address(merchant, method="upi"))
    is_lost = [True]

    def lose_the_answer(route: Route) -> None:
        if not is_lost:
            route.continue_()
            return
        route.fetch(max_redirects=0)  # the gateway has it, the payer's browser hears nothing
        route.abort("connectionreset")

    page.route("**/checkout/payments", lose_the_answer)
    pay_by_upi(page)
    expect(page.locator("#offline")).to_be_visible()
    is_lost.clear()
    if not is_patient:
        page.reload()
        page.get_by_test_id("method-card").click()
        fill_card(page)
        pay_button(page, "card-form").click()
    expect(page.get_by_test_id("success-state")).to_be_visible()
    expect(page.locator("#offline")).to_be_hidden()
    assert len(merchant.rows("payments")) == 1
    watch.forgive("ERR_CONNECTION_RESET")


def test_what_the_server_refuses_stays_in_the_form(watch: Watch, merchant: Merchant) -> None:
    """Where the script knew no better: here the payer's clock, which says that the card is still good."""
    page = watch.open()
    page.goto(address(merchant, method="card"))
    page.evaluate("void (Date.prototype.getFullYear = () => 2020)")
    fill_card(page, expiry="01/24")
    pay_button(page, "card-form").click()
    expect(page.locator("#expiry-note")).to_contain_text("expired")
    expect(page.get_by_test_id("expiry-input")).to_be_focused()
    expect(page.get_by_test_id("card-number-input")).to_have_value("4000 0000 0000 0077")
    page.get_by_test_id("expiry-input").fill("12/31")
    pay_button(page, "card-form").click()
    expect(page.get_by_test_id("success-state")).to_be_visible()
    watch.forgive("400")


def test_without_scripts_it_is_plain_pages(watch: Watch, merchant: Merchant) -> None:
    page = watch.open(scripts=False, size=NARROW)
    page.goto(address(merchant, lang="hi"))
    page.get_by_test_id("method-card").click()
    fill_card(page, number="4000 0000 0000 0078")
    pay_button(page, "card-form").click()
    expect(page.locator("#number-note")).not_to_have_text("")
    expect(page.get_by_test_id("card-number-input")).to_have_value("")
    page.get_by_test_id("method-upi").click()
    pay_by_upi(page)
    expect(page.get_by_test_id("success-state")).to_be_visible()
    (payment,) = merchant.rows("payments")
    expect(page.get_by_test_id("payment-id")).to_have_text(payment["id"])
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    watch.forgive("400")


def test_hindi_reads_well(watch: Watch, merchant: Merchant) -> None:
    page = watch.open(size=NARROW, locale="hi-IN")
    page.goto(address(merchant))
    expect(page.get_by_test_id("method-card")).to_contain_text("कार्ड")
    page.get_by_test_id("method-card").click()
    pay_button(page, "card-form").click()
    expect(page.locator("#cvv-note")).to_contain_text("3 अंक")
    is_well_drawn(page)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_test_id("method-card")).to_contain_text("Card")


@pytest.mark.parametrize("is_phone", [True, False])
def test_a_upi_app_pays_by_a_code(watch: Watch, merchant: Merchant, is_phone: bool) -> None:
    page = watch.open(**({"size": NARROW, "has_touch": True, "is_mobile": True} if is_phone else {}))
    page.goto(address(merchant, method="upi"))
    page.get_by_test_id("app-button").click()
    expect(page.get_by_test_id("app-qr")).to_be_visible()
    expect(page.get_by_test_id("app-until")).to_have_text(re.compile(r"Good for another [45]:\d\d"))
    link = page.get_by_test_id("app-link")
    expect(link).to_be_visible(visible=is_phone)
    is_well_drawn(page)
    (payment,) = merchant.rows("payments")
    assert (link.get_attribute("href"), payment["vpa"]) == (payment["upi_link"], None)
    if not is_phone:
        page.get_by_test_id("another-way-button").click()
        expect(page.get_by_test_id("payment-methods")).to_be_visible()
        page.get_by_test_id("method-upi").click()
        page.get_by_test_id("app-button").click()
        expect(link).not_to_have_attribute("href", payment["upi_link"])
    page.get_by_test_id("app-approve" if is_phone else "app-decline").click()
    expect(page.get_by_test_id("success-state" if is_phone else "error-state")).to_be_visible()


def test_it_fetches_little_and_from_nowhere_else(watch: Watch, merchant: Merchant) -> None:
    page, fetched = watch.open(), []
    page.on("request", lambda request: fetched.append(request))
    page.goto(address(merchant))
    assert len(fetched) >= 3, "the page, its style and its script"
    assert all(each.url.startswith(watch.base_url) for each in fetched)
    assert sum(each.sizes()["responseBodySize"] for each in fetched) < 60_000


def test_an_unknown_order_and_a_paid_one_are_said_kindly(watch: Watch, merchant: Merchant) -> None:
    page = watch.open(size=NARROW)
    page.goto("/checkout?order_id=order_0000000000000000")
    expect(page.get_by_test_id("error-message")).to_contain_text("Order not found")
    is_well_drawn(page)
    watch.forgive("404")
    start = address(merchant, method="upi")
    page.goto(start)
    pay_by_upi(page)
    expect(page.get_by_test_id("success-state")).to_be_visible()
    page.goto(start)
    expect(page.get_by_test_id("paid-state")).to_be_visible()
    is_well_drawn(page)
