"""The guide as a developer reads it, and the queues as they work."""

import pytest
from playwright.sync_api import expect

from gateway.dashboard.docs import ORDER_ID
from tests.browser.conftest import NARROW, WIDE, Owner, Watch, fits, is_accessible
from tests.browser.shopfront import open_shop


@pytest.mark.parametrize(("size", "dark"), [(WIDE, True), (NARROW, False)])
def test_a_developer_reads_the_docs_in_their_language(
    watch: Watch, owner: Owner, size: tuple[int, int], dark: bool
) -> None:
    page = watch.open(
        size=size, dark=dark, signed_in=owner, permissions=["clipboard-read", "clipboard-write"]
    )
    page.goto("/dashboard/docs")
    order = page.get_by_test_id("code-snippet-create-order")
    expect(order.locator("figure:visible")).to_have_count(1)
    expect(order).to_contain_text("curl --request POST")
    is_accessible(page)
    fits(page)

    page.get_by_role("radio", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Python")).to_be_checked()
    expect(order.locator("figure:visible")).to_contain_text("import urllib.request")
    expect(page.get_by_test_id("code-snippet-webhook").locator("figure:visible")).to_contain_text("hmac")
    is_accessible(page)
    fits(page)

    order.locator("figure:visible").get_by_role("button", name="Copy").click()
    expect(page.locator("#spoken")).to_have_text("Copied")
    assert "urllib.request.Request(" in page.evaluate("navigator.clipboard.readText()")


def test_the_language_is_chosen_without_a_script(watch: Watch, owner: Owner) -> None:
    page = watch.open(scripts=False, signed_in=owner)
    page.goto("/dashboard/docs")
    page.locator("label", has_text="PHP").click()
    expect(page.get_by_test_id("code-snippet-create-order").locator("figure:visible")).to_contain_text(
        "<?php"
    )


@pytest.mark.parametrize("is_pinned", [False, True])
def test_the_code_of_the_sdk_opens_the_checkout_and_hears_of_the_payment(
    watch: Watch, owner: Owner, is_pinned: bool
) -> None:
    docs = watch.open(signed_in=owner)
    docs.goto("/dashboard/docs")
    code = docs.locator("#code-sdk-html").inner_text()
    if is_pinned:
        plain, pinned = code.splitlines()[2], docs.locator("#code-sdk-pinned-html").inner_text()
        assert "/checkout.js" in plain and "integrity=" in pinned
        code = code.replace(plain, pinned)
    code = code.replace(ORDER_ID, owner.api.order()["id"])

    head = '<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:,"></head>'
    answer = {"Content-Type": "text/html; charset=utf-8"}, f"{head}<body>{code}</body></html>".encode()
    with open_shop(owner.town) as shop:
        shop.answer = lambda: answer
        page = watch.open()
        page.goto(shop.url)
        page.get_by_role("button", name="Pay").click()
        frame = page.frame_locator("[data-test-id=payment-iframe]")
        frame.get_by_test_id("method-upi").click()
        frame.get_by_test_id("vpa-input").fill("success@sandbox")
        with page.expect_console_message(lambda message: message.text.startswith("Paid by pay_")):
            frame.get_by_test_id("upi-form").get_by_test_id("pay-button").click()


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_an_owner_watches_the_queues_work(
    watch: Watch, owner: Owner, size: tuple[int, int], dark: bool
) -> None:
    page = watch.open(size=size, dark=dark, signed_in=owner)
    page.goto("/dashboard/jobs")
    expect(page.get_by_test_id("worker")).to_have_count(1)
    expect(page.get_by_test_id("worker-status")).to_have_text("running")
    expect(page.get_by_test_id("jobs-completed")).to_have_text("0")
    is_accessible(page)
    fits(page)
    owner.api.pay(owner.api.order())
    # Without a reload.
    expect(page.get_by_test_id("jobs-completed")).to_have_text("1")
    expect(page.get_by_test_id("jobs-pending")).to_have_text("0")
