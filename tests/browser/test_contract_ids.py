"""CONTRACT, "Pages and data-test-id": outsiders have written browser tests against these names."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Owner, Watch

DASHBOARD = {
    "/dashboard": "dashboard api-credentials api-key api-secret stats-container total-transactions"
    " total-amount success-rate",
    "/dashboard/transactions": "transactions-table transaction-row payment-id order-id amount method status"
    " created-at",
    "/dashboard/webhooks": "webhook-config webhook-config-form webhook-url-input webhook-secret"
    " regenerate-secret-button save-webhook-button test-webhook-button webhook-logs-table webhook-log-item"
    " webhook-event webhook-status webhook-attempts webhook-last-attempt webhook-response-code"
    " retry-webhook-button",
    "/dashboard/docs": "api-docs section-create-order code-snippet-create-order section-sdk-integration"
    " code-snippet-sdk section-webhook-verification code-snippet-webhook",
}
LOGIN = "login-form email-input password-input login-button"
CHECKOUT = "checkout-container order-summary order-amount order-id payment-methods method-upi method-card"
UPI_FORM = "upi-form vpa-input pay-button"
CARD_FORM = "card-form card-number-input expiry-input cvv-input cardholder-name-input pay-button"
PROCESSING = "processing-state processing-message"
SUCCESS = "success-state payment-id success-message"
ERROR = "error-state error-message retry-button"

NOWHERE = "http://127.0.0.1:9/hook"


def are_there(page: Page | Locator, names: str) -> None:
    for name in names.split():
        expect(page.get_by_test_id(name).first, name).to_be_visible()


@pytest.fixture
def busy_owner(owner: Owner) -> Owner:
    """Somebody with a payment, and with webhooks that nobody takes."""
    owner.api.receive_at(NOWHERE)
    owner.api.pay(owner.api.order())
    return owner


@pytest.mark.parametrize("path", DASHBOARD)
def test_a_page_of_the_dashboard_has_its_names(watch: Watch, busy_owner: Owner, path: str) -> None:
    page = watch.open(signed_in=busy_owner)
    page.goto(path)
    are_there(page, DASHBOARD[path])


def test_rows_say_in_attributes_what_they_show(watch: Watch, busy_owner: Owner) -> None:
    page = watch.open(signed_in=busy_owner)
    page.goto("/dashboard/transactions")
    row = page.get_by_test_id("transaction-row").first
    payment_id = row.get_attribute("data-payment-id") or ""
    assert re.fullmatch(r"pay_[A-Za-z0-9]{16}", payment_id)
    expect(row.get_by_test_id("payment-id")).to_contain_text(payment_id)
    expect(row.get_by_test_id("amount")).to_have_text("₹500.00")
    expect(row.get_by_test_id("amount")).to_have_attribute("data-amount", "50000")
    expect(
        row.get_by_test_id("created-at").locator("time").or_(row.locator("time[data-test-id]"))
    ).to_have_text(re.compile(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$"))
    page.goto("/dashboard/webhooks")
    item = page.get_by_test_id("webhook-log-item").first
    delivery_id = item.get_attribute("data-webhook-id") or ""
    assert re.fullmatch(r"[0-9a-f-]{36}", delivery_id)
    expect(item.get_by_test_id("retry-webhook-button")).to_have_attribute("data-webhook-id", delivery_id)
    expect(page.get_by_test_id("test-webhook-button")).to_have_attribute("type", "button")


def test_the_login_page_has_its_names(watch: Watch) -> None:
    page = watch.open()
    page.goto("/login")
    are_there(page, LOGIN)


def test_the_checkout_has_its_names_in_every_state(watch: Watch, owner: Owner) -> None:
    page = watch.open()
    page.goto(f"/checkout?order_id={owner.api.order()['id']}")
    are_there(page, CHECKOUT)
    expect(page.get_by_test_id("order-amount")).to_have_text("₹500.00")
    expect(page.get_by_test_id("method-upi")).to_have_attribute("data-method", "upi")
    expect(page.get_by_test_id("method-card")).to_have_attribute("data-method", "card")
    page.get_by_test_id("method-card").click()
    are_there(page.get_by_test_id("card-form"), CARD_FORM.removeprefix("card-form "))
    page.get_by_test_id("method-upi").click()
    form = page.get_by_test_id("upi-form")
    are_there(form, UPI_FORM.removeprefix("upi-form "))
    form.get_by_test_id("vpa-input").fill("declined@sandbox")
    form.get_by_test_id("pay-button").click()
    are_there(page, ERROR)
    page.get_by_test_id("retry-button").click()
    page.get_by_test_id("method-upi").click()
    form.get_by_test_id("vpa-input").fill("asha@upi")
    form.get_by_test_id("pay-button").click()
    are_there(page, SUCCESS)


def test_a_payment_that_takes_its_time_has_its_names(watch: Watch, owner: Owner) -> None:
    page = watch.open()
    page.goto(f"/checkout?order_id={owner.api.order()['id']}")
    page.get_by_test_id("method-upi").click()
    # The bank never answers for this one.
    page.get_by_test_id("vpa-input").fill("silent@sandbox")
    page.get_by_test_id("upi-form").get_by_test_id("pay-button").click()
    are_there(page, PROCESSING)
