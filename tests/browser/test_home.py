"""The first page, kept open: numbers that move by themselves, and the keys."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import create_engine, text

from tests.browser.conftest import NARROW, WIDE, Owner, Watch, fits, is_accessible


def number(page: Page, test_id: str) -> str:
    return page.get_by_test_id(test_id).inner_text()


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_numbers_move_while_it_is_open(watch: Watch, owner: Owner, size: tuple[int, int], dark: bool) -> None:
    page = watch.open(size=size, dark=dark, signed_in=owner)
    page.goto("/dashboard")
    expect(page.get_by_text("No payments yet")).to_be_visible()
    is_accessible(page)
    fits(page)
    owner.api.pay(owner.api.order(amount=50_000_000))
    expect(page.get_by_test_id("total-transactions")).to_have_text("1")
    expect(page.get_by_test_id("total-amount")).to_have_text("₹5,00,000")
    expect(page.get_by_test_id("success-rate")).to_have_text("100%")
    expect(page.get_by_test_id("last-payment")).to_have_count(1)
    expect(page.get_by_test_id("chart-amounts")).to_be_visible()
    is_accessible(page)
    fits(page)


def test_what_is_open_stays_open_while_numbers_move(watch: Watch, owner: Owner) -> None:
    owner.api.pay(owner.api.order())
    page = watch.open(signed_in=owner)
    page.goto("/dashboard")
    page.get_by_text("Show as a table").click()
    table = page.get_by_role("region", name="Numbers by hour")
    expect(table).to_be_visible()
    page.get_by_role("link", name="7 days").focus()
    owner.api.pay(owner.api.order())
    expect(page.get_by_test_id("total-transactions")).to_have_text("2")
    expect(table).to_be_visible()
    expect(page.get_by_role("link", name="7 days")).to_be_focused()


def test_a_period_is_chosen_by_address(watch: Watch, owner: Owner) -> None:
    owner.api.pay(owner.api.order())
    page = watch.open(signed_in=owner)
    page.goto("/dashboard")
    page.get_by_test_id("period-30d").click()
    expect(page.get_by_test_id("period-30d")).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(f"{watch.base_url}/dashboard?period=30d")
    expect(page.get_by_test_id("chart-counts").locator(".column")).to_have_count(30)
    page.reload()
    expect(page.get_by_test_id("period-30d")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.get_by_test_id("period-all")).to_have_attribute("aria-current", "true")


def test_rolling_a_key_shows_the_new_pair_and_keeps_the_old_one(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/dashboard")
    before = number(page, "api-key")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_test_id("roll-key-button").click()
    expect(page.get_by_test_id("new-key")).to_be_visible()
    key, secret = number(page, "new-api-key"), number(page, "new-api-secret")
    assert key != before
    page.get_by_test_id("new-key").get_by_role("button", name="Copy").last.click()
    expect(page.locator("#spoken")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    owner.api.get("/orders")
    owner.api.credentials = {"X-Api-Key": key, "X-Api-Secret": secret}
    owner.api.get("/orders")
    page.goto("/dashboard")
    expect(page.get_by_test_id("api-key")).to_have_text(key)
    expect(page.get_by_test_id("api-secret")).to_have_text(secret)


def test_a_viewer_sees_no_secret(watch: Watch, owner: Owner, hire: Callable[..., Owner]) -> None:
    page = watch.open(signed_in=hire(owner, "viewer"))
    page.goto("/dashboard")
    expect(page.get_by_test_id("api-secret")).to_contain_text("Your role does not show secrets")
    expect(page.get_by_test_id("roll-key-button")).to_have_count(0)
    is_accessible(page)


def test_a_page_that_was_signed_out_elsewhere_leaves(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard")
    expect(page.get_by_test_id("stats-container")).to_be_visible()
    engine = create_engine(owner.town.config.database_url)
    with engine.begin() as connection:
        users = "SELECT id FROM users WHERE email = :email"
        ended = f"UPDATE user_sessions SET ended_at = created_at WHERE user_id IN ({users})"
        connection.execute(text(ended), {"email": owner.email})
    engine.dispose()
    expect(page.get_by_test_id("login-form")).to_be_visible()
    watch.forgive("401")


def test_it_needs_no_script(watch: Watch, owner: Owner) -> None:
    owner.api.pay(owner.api.order())
    page = watch.open(scripts=False, signed_in=owner)
    page.goto("/dashboard?period=today")
    expect(page.get_by_test_id("total-transactions")).to_have_text("1")
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("region", name="Numbers by hour")).to_be_visible()
    page.get_by_test_id("roll-key-button").click()
    expect(page.get_by_test_id("new-api-secret")).to_contain_text("secret_test_")
