"""The guide as a developer reads it, and the queues as they work."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, Owner, Watch, fits, is_accessible


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
