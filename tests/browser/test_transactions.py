"""A merchant's day: payments looked at, found, captured and given back; orders made and shared."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, Owner, Watch, fits, is_accessible
from tests.faults.processes import wait_until

LISTS = ("transactions", "orders", "refunds")


def paid(owner: Owner, amount: int = 50000, vpa: str = "asha@upi", **order: object) -> dict:
    """A payment of the owner's that has succeeded, as the API shows it."""
    payment = owner.api.pay(owner.api.order(amount=amount, **order), vpa)

    def is_paid() -> bool:
        return bool(owner.api.get(f"/payments/{payment['id']}")["status"] != "pending")

    wait_until(is_paid, 30, "the bank's answer")
    return owner.api.get(f"/payments/{payment['id']}")


def shows(page: Page, test_id: str, text: str) -> None:
    expect(page.get_by_test_id(test_id).first).to_have_text(text)


def is_good(page: Page) -> None:
    is_accessible(page)
    fits(page)


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_every_page_is_readable_wide_and_light_narrow_and_dark(
    watch: Watch, owner: Owner, size: tuple[int, int], dark: bool
) -> None:
    page = watch.open(size=size, dark=dark, signed_in=owner)
    for name in LISTS:
        page.goto(f"/dashboard/{name}")
        expect(page.get_by_test_id(f"{name}-table")).to_be_attached()
        is_good(page)
    payment = paid(owner, receipt="R" * 255)
    owner.api.post(f"/payments/{payment['id']}/refunds", {"amount": 20000, "reason": "torn" * 60})
    for name in LISTS:
        page.goto(f"/dashboard/{name}")
        expect(page.locator("tbody tr")).to_have_count(1)
        is_good(page)
    for path in (
        f"transactions/{payment['id']}",
        f"transactions/{payment['id']}/refund?amount_text=1",
        f"orders/{payment['order_id']}",
        "orders/new",
    ):
        page.goto(f"/dashboard/{path}")
        expect(page.locator("h1")).to_be_visible()
        is_good(page)


def test_a_new_payment_appears_on_top_and_takes_nobodys_focus(watch: Watch, owner: Owner) -> None:
    first = paid(owner)
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/transactions")
    link = page.locator(f"[data-payment-id={first['id']}] a").first
    link.focus()
    second = owner.api.pay(owner.api.order(amount=12345))
    rows = page.get_by_test_id("transaction-row")
    expect(rows.first).to_have_attribute("data-payment-id", second["id"])
    shows(page, "amount", "₹123.45")
    shows(page, "status", "success")
    expect(rows).to_have_count(2)
    expect(link).to_be_focused()


def test_filters_live_in_the_address_and_work_by_themselves(watch: Watch, owner: Owner) -> None:
    found, lost = paid(owner, receipt="INV-77"), paid(owner, vpa="declined@sandbox")
    assert lost["status"] == "failed"
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/transactions")
    rows = page.get_by_test_id("transaction-row")
    expect(rows).to_have_count(2)
    page.get_by_label("Status").select_option("failed")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/dashboard/transactions\?status=failed$"))
    expect(rows.first).to_have_attribute("data-payment-id", lost["id"])
    page.get_by_test_id("clear-filters").click()
    expect(rows).to_have_count(2)
    page.get_by_test_id("search-input").fill("INV-77")
    page.get_by_test_id("search-input").press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=INV-77$"))
    expect(rows.first).to_have_attribute("data-payment-id", found["id"])
    page.go_back()
    expect(rows).to_have_count(2)
    page.get_by_text("Dates and amounts").click()
    page.get_by_label("Amount from").fill("many")
    page.get_by_label("Amount from").press("Enter")
    expect(page.get_by_test_id("min-error")).to_contain_text("This is not an amount")
    page.get_by_label("Amount from").fill("500.01")
    page.get_by_label("Amount from").press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    # What was folded out stays so, and what was typed but never sent leaves with its page.
    page.get_by_label("Amount to").fill("7")
    page.get_by_test_id("clear-filters").click()
    expect(rows).to_have_count(2)
    expect(page.get_by_label("Amount to")).to_have_value("")
    expect(page.get_by_label("Amount from")).to_have_value("")
    is_accessible(page)
    watch.forgive("400")


def test_the_filtered_list_is_exported(watch: Watch, owner: Owner) -> None:
    payment = paid(owner, amount=123456, receipt='=HYPERLINK("x")')
    paid(owner, vpa="declined@sandbox")
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/transactions?status=success")
    with page.expect_download() as download:
        page.get_by_test_id("export-button").click()
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["payment_id"] == payment["id"]
    assert (row["amount"], row["amount_minor_units"]) == ("1234.56", "123456")
    assert row["receipt"] == '\'=HYPERLINK("x")'


@pytest.mark.parametrize("scripts", [True, False])
def test_part_too_much_and_all_of_a_payment_is_refunded(watch: Watch, owner: Owner, scripts: bool) -> None:
    payment = paid(owner)
    page = watch.open(signed_in=owner, scripts=scripts)
    page.goto("/dashboard/transactions")
    page.get_by_test_id("payment-id").click()
    shows(page, "amount", "₹500.00")
    page.get_by_test_id("capture-button").click()
    shows(page, "toast", "The payment is captured.")
    expect(page.get_by_test_id("capture-button")).to_have_count(0)

    page.get_by_test_id("refund-amount-input").fill("200")
    page.get_by_test_id("refund-reason-input").fill("torn")
    page.get_by_test_id("review-refund-button").click()
    shows(page, "refundable-after", "₹300.00")
    page.get_by_role("link", name="Change it").click()
    expect(page.get_by_test_id("refund-amount-input")).to_have_value("200.00")
    page.get_by_test_id("review-refund-button").click()
    page.get_by_test_id("confirm-refund-button").click()
    shows(page, "toast", "₹200.00 is on its way back to the payer.")
    expect(page.get_by_test_id("refundable")).to_have_text("₹300.00 of this payment can still be refunded.")

    page.get_by_test_id("refund-amount-input").fill("300.01")
    page.get_by_test_id("review-refund-button").click()
    shows(page, "amount_text-error", "₹300.00 of this payment can still be refunded")
    expect(page.get_by_test_id("refund-amount-input")).to_have_value("300.01")
    expect(page.get_by_test_id("refund-amount-input")).to_be_focused()

    page.get_by_test_id("refund-all-button").click()
    page.get_by_test_id("confirm-refund-button").click()
    shows(page, "refundable", "All of this payment is refunded.")
    # Without scripts nothing polls, and the reader reloads.
    refunds = page.get_by_test_id("refund-status")
    if not scripts:
        wait_until(lambda: owner.api.count("refunds", "status = 'pending'") == 0, 30, "both refunds")
        page.reload()
    expect(refunds).to_have_text(["processed", "processed"])
    assert owner.api.get(f"/payments/{payment['id']}")["refund_status"] == "full"
    page.get_by_role("link", name="Refunds").click()
    expect(page.get_by_test_id("refund-row")).to_have_count(2)
    watch.forgive("400")


def test_a_pending_payment_comes_to_its_end_while_somebody_reads(watch: Watch, owner: Owner) -> None:
    payment = owner.api.pay(owner.api.order(), "pending@sandbox")
    page = watch.open(signed_in=owner)
    page.goto(f"/dashboard/transactions/{payment['id']}")
    shows(page, "status", "pending")
    page.get_by_text("The payment as the API shows it").click()
    raw = page.locator("#raw-json")
    expect(raw).to_be_visible()
    # What the reader has opened stays open, whatever is swapped in around it.
    expect(page.get_by_test_id("timeline")).to_contain_text(re.compile(r"Asked \d times"))
    expect(raw).to_be_visible()


def test_an_order_is_made_shared_and_seen_paid(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/dashboard/orders")
    page.get_by_test_id("create-order-link").click()
    page.get_by_test_id("order-amount-input").fill("0.50")
    page.get_by_test_id("order-receipt-input").fill("R-1")
    page.get_by_test_id("order-description-input").fill("A lamp")
    page.get_by_test_id("create-order-button").click()
    shows(page, "amount_text-error", "The least is ₹1.00")
    expect(page.get_by_test_id("order-receipt-input")).to_have_value("R-1")
    page.get_by_test_id("order-amount-input").fill("1,499.50")
    page.get_by_test_id("create-order-button").click()
    shows(page, "amount", "₹1,499.50")
    order_id = page.get_by_test_id("order-id").text_content()
    link = page.get_by_test_id("payment-link")
    expect(link).to_contain_text(f"/checkout?order_id={order_id}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link.text_content()
    picture = page.get_by_test_id("payment-link-qr")
    expect(picture).to_be_visible()
    assert picture.evaluate("img => img.complete && img.naturalWidth > 20")
    is_accessible(page)
    owner.api.pay({"id": order_id})
    shows(page, "status", "paid")
    expect(page.get_by_test_id("transaction-row")).to_have_count(1)
    expect(page.get_by_text("takes no more payments")).to_be_visible()
    watch.forgive("400")


def test_a_viewer_looks_and_touches_nothing(watch: Watch, owner: Owner, hire: Callable[..., Owner]) -> None:
    payment = paid(owner)
    page = watch.open(signed_in=hire(owner, "viewer"))
    page.goto(f"/dashboard/transactions/{payment['id']}")
    expect(page.get_by_text("Refunds are made by an owner")).to_be_visible()
    expect(page.get_by_test_id("capture-button")).to_have_count(0)
    page.get_by_role("link", name="Orders").click()
    expect(page.get_by_test_id("order-row")).to_have_count(1)
    expect(page.get_by_test_id("create-order-link")).to_have_count(0)


def test_the_next_page_begins_at_its_top(watch: Watch, owner: Owner) -> None:
    owner.api.orders(30)
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/orders")
    rows = page.get_by_test_id("order-row")
    expect(rows).to_have_count(25)
    page.get_by_test_id("next-page").click()
    expect(rows).to_have_count(5)
    expect(page.get_by_role("heading", name="Orders")).to_be_in_viewport()
    page.get_by_test_id("previous-page").click()
    expect(rows).to_have_count(25)


@pytest.mark.parametrize("size", [(360, 700), (768, 900), (900, 900), (1100, 900), WIDE])
def test_long_words_stay_inside_the_page(watch: Watch, owner: Owner, size: tuple[int, int]) -> None:
    vpa = f"{'a.very.long.address.' * 3}-_of@okhdfcbanklimited"
    payment = paid(owner, vpa=vpa, receipt="चाय 🍵 " + "long-receipt-" * 15, amount=9_999_999_999)
    page = watch.open(size=size, signed_in=owner)
    for address in (
        "/dashboard",
        "/dashboard/transactions",
        f"/dashboard/transactions/{payment['id']}",
        "/dashboard/orders",
        f"/dashboard/orders/{payment['order_id']}",
    ):
        page.goto(address)
        expect(page.get_by_text("₹9,99,99,999.99").first).to_be_visible()
        fits(page)


def test_on_a_phone_the_acts_stand_before_the_story(watch: Watch, owner: Owner) -> None:
    payment = paid(owner)
    page = watch.open(size=NARROW, signed_in=owner)
    page.goto(f"/dashboard/transactions/{payment['id']}")
    capture, refund = page.get_by_test_id("capture-button"), page.get_by_test_id("refund-form")
    story = page.get_by_test_id("timeline")
    expect(capture).to_be_visible()
    tops = [place.bounding_box()["y"] for place in (capture, refund, story)]  # type: ignore[index]
    assert tops == sorted(tops)
