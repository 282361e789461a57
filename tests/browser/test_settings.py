"""Settings and the door for newcomers, as people use them."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import NARROW, PASSWORD, WIDE, Owner, Watch, fits, is_accessible


@pytest.mark.parametrize(("size", "dark"), [(WIDE, True), (NARROW, False)])
def test_every_page_can_be_read(watch: Watch, owner: Owner, size: tuple[int, int], dark: bool) -> None:
    page = watch.open(size=size, dark=dark, signed_in=owner)
    page.goto("/dashboard/settings")
    tabs = page.get_by_role("navigation", name="Settings")
    for words in ("People", "API keys", "Checkout", "Audit log", "Account"):
        tabs.get_by_role("link", name=words).click()
        expect(tabs.get_by_role("link", name=words)).to_have_attribute("aria-current", "page")
        is_accessible(page)
        fits(page)


def test_a_name_is_saved_and_stands_in_the_corner(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/settings")
    page.get_by_test_id("merchant-name-input").fill("Chai & Co")
    page.get_by_test_id("save-name-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("The name is saved")
    expect(page.get_by_text("Chai & Co", exact=True)).to_be_visible()
    expect(page).to_have_url(f"{watch.base_url}/dashboard/settings")


def test_a_password_is_changed_and_the_other_browser_is_out(watch: Watch, owner: Owner) -> None:
    page, elsewhere = watch.open(signed_in=owner), watch.open(signed_in=owner)
    page.goto("/dashboard/settings")
    expect(page.get_by_test_id("session-row")).to_have_count(2)
    page.get_by_test_id("current-password-input").fill("not this one")
    page.get_by_test_id("new-password-input").fill("a longer new one")
    page.get_by_test_id("change-password-button").click()
    expect(page.get_by_test_id("current_password-error")).to_have_text("This is not your current password")
    watch.forgive("400")
    page.get_by_test_id("current-password-input").fill(PASSWORD)
    page.get_by_test_id("new-password-input").fill("a longer new one")
    page.get_by_test_id("change-password-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("The password is changed")
    expect(page.get_by_test_id("session-row")).to_have_count(1)
    expect(page.get_by_test_id("current-password-input")).to_have_value("")
    elsewhere.goto("/dashboard")
    expect(elsewhere.get_by_test_id("login-form")).to_be_visible()


def test_somebody_is_let_in_changed_and_let_go(watch: Watch, owner: Owner) -> None:
    page, email = watch.open(signed_in=owner), f"{uuid4().hex[:12]}@example.com"
    page.goto("/dashboard/settings/people")
    page.get_by_test_id("person-email-input").fill(owner.email)
    page.get_by_test_id("person-password-input").fill("first password")
    page.get_by_test_id("add-person-button").click()
    expect(page.get_by_test_id("email-error")).to_contain_text("has an account with this e-mail address")
    watch.forgive("400")
    page.get_by_test_id("person-email-input").fill(email)
    page.get_by_test_id("person-password-input").fill("first password")
    page.get_by_test_id("add-person-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text(f"{email} can sign in now")
    # What was sent is not left lying about.
    expect(page.get_by_test_id("person-email-input")).to_have_value("")
    expect(page.get_by_test_id("person-password-input")).to_have_value("")

    colleague = watch.open()
    colleague.goto("/login")
    colleague.get_by_test_id("email-input").fill(email)
    colleague.get_by_test_id("password-input").fill("first password")
    colleague.get_by_test_id("login-button").click()
    expect(colleague.get_by_test_id("dashboard")).to_be_visible()
    colleague.goto("/dashboard/settings/keys")
    expect(colleague.get_by_test_id("key-row")).to_have_count(1)
    expect(colleague.get_by_test_id("create-key-button")).to_have_count(0)

    row = page.locator(f'[data-email="{email}"]')
    row.get_by_role("combobox").select_option("developer")
    row.get_by_test_id("save-role-button").click()
    expect(page.get_by_test_id("toast")).to_have_text("The role is changed.")
    colleague.reload()
    expect(colleague.get_by_test_id("create-key-button")).to_be_visible()

    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_test_id("deactivate-button").click()
    expect(row.get_by_text("inactive", exact=True)).to_be_visible()
    expect(row.get_by_role("combobox")).to_have_value("developer")
    colleague.reload()
    expect(colleague.get_by_test_id("login-form")).to_be_visible()


def test_a_key_is_changed_without_a_pause(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/settings/keys")
    page.on("dialog", lambda dialog: dialog.accept())
    old = page.get_by_test_id("key-row")
    old.get_by_test_id("revoke-key-button").click()
    expect(page.get_by_test_id("last-key-warning")).to_contain_text("your last key")
    watch.forgive("409")
    is_accessible(page)
    page.get_by_test_id("create-key-button").click()
    expect(page.get_by_test_id("new-api-secret")).to_contain_text("secret_test_")
    key = page.get_by_test_id("new-api-key").inner_text()
    is_accessible(page)
    page.reload()
    expect(page.get_by_test_id("new-key")).to_have_count(0)
    fresh = page.locator(f'[data-key="{key}"]')
    expect(fresh.get_by_test_id("key-secret")).to_have_text("•" * 20)
    fresh.get_by_role("button", name="Reveal").click()
    expect(fresh.get_by_test_id("key-secret")).to_contain_text("secret_test_")
    former = page.locator(f'[data-key="{owner.api.credentials["X-Api-Key"]}"]')
    former.get_by_test_id("revoke-key-button").click()
    expect(former.get_by_text("revoked", exact=True)).to_be_visible()
    assert owner.api.ask("GET", "/orders").status == 401
    expect(page.get_by_test_id("key-row")).to_have_count(2)


def test_a_double_click_makes_one_key_however_quick_the_answer(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/settings/keys")
    button, rows = page.get_by_test_id("create-key-button"), page.get_by_test_id("key-row")
    button.dblclick()
    expect(page.get_by_test_id("new-key")).to_be_visible()
    expect(rows).to_have_count(2)
    button.dispatch_event("click", {"detail": 2})
    page.reload()
    expect(rows).to_have_count(2)
    button.click()
    expect(rows).to_have_count(3)


def test_a_form_is_not_sent_again_while_its_answer_is_on_its_way(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/settings/keys")
    asked: list[str] = []

    def answer_late(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(route.request.url)
            page.wait_for_timeout(300)
        route.continue_()

    page.route("**/settings/keys", answer_late)
    button = page.get_by_test_id("create-key-button")
    for _ in range(3):
        button.dispatch_event("click")
    expect(page.get_by_test_id("key-row")).to_have_count(2)
    page.wait_for_timeout(300)
    assert len(asked) == 1
    button.dispatch_event("click")
    expect(page.get_by_test_id("key-row")).to_have_count(3)


def test_origins_are_mended_where_they_were_typed(watch: Watch, owner: Owner) -> None:
    page = watch.open(signed_in=owner)
    page.goto("/dashboard/settings/checkout")
    page.get_by_test_id("allowed-origins-input").fill("https://shop.example/cart")
    page.get_by_test_id("save-checkout-button").click()
    expect(page.get_by_test_id("allowed_origins-error")).to_contain_text("is no origin")
    watch.forgive("400")
    expect(page.get_by_test_id("allowed-origins-input")).to_have_value("https://shop.example/cart")
    page.get_by_test_id("allowed-origins-input").fill("https://shop.example\nhttp://localhost:4000")
    page.get_by_test_id("requires-token-input").check()
    page.get_by_test_id("save-checkout-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("saved")
    page.reload()
    expect(page.get_by_test_id("allowed-origins-input")).to_have_value(
        "https://shop.example\nhttp://localhost:4000"
    )
    expect(page.get_by_test_id("requires-token-input")).to_be_checked()
    page.goto("/dashboard/settings/audit")
    expect(page.get_by_test_id("audit-line").first).to_contain_text("made the checkout ask for a token")


def test_it_needs_no_script(watch: Watch, owner: Owner, hire: Callable[..., Owner]) -> None:
    page = watch.open(scripts=False, signed_in=owner)
    page.goto("/dashboard/settings/keys")
    page.get_by_test_id("revoke-key-button").click()
    page.get_by_label("Revoke it all the same").check()
    watch.forgive("409")
    page.get_by_test_id("revoke-key-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("is revoked")
    page.goto("/dashboard/settings/people")
    page.locator("select").first.select_option("viewer")
    page.get_by_test_id("save-role-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("At least one active owner has to remain")


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_a_newcomer_ends_with_keys_in_hand(watch: Watch, size: tuple[int, int], dark: bool) -> None:
    page, email = watch.open(size=size, dark=dark), f"{uuid4().hex[:12]}@example.com"
    page.goto("/login")
    page.get_by_role("link", name="Open an account").click()
    expect(page.get_by_test_id("signup-form")).to_be_visible()
    is_accessible(page)
    fits(page)
    page.get_by_test_id("signup-name-input").fill("Chai & Co")
    page.get_by_test_id("email-input").fill(email)
    page.get_by_test_id("password-input").fill("short")
    page.get_by_test_id("signup-button").click()
    expect(page.get_by_test_id("password-error")).to_contain_text("at least 10 characters")
    watch.forgive("400")
    expect(page.get_by_test_id("email-input")).to_have_value(email)
    page.get_by_test_id("password-input").fill(PASSWORD)
    page.get_by_test_id("signup-button").dblclick()
    expect(page.get_by_test_id("welcome")).to_be_visible()
    key = page.get_by_test_id("api-key").inner_text()
    expect(page.get_by_test_id("first-curl")).to_contain_text(f"X-Api-Key: {key}")
    is_accessible(page)
    fits(page)
    page.get_by_test_id("to-dashboard").click()
    expect(page.get_by_test_id("dashboard")).to_be_visible()
    expect(page.get_by_test_id("api-key")).to_have_text(key)
    expect(page.get_by_test_id("success-rate")).to_have_text("0%")


@pytest.mark.parametrize("size", [(360, 700), (768, 900), (900, 900), (1100, 900), WIDE])
def test_long_names_stay_inside_the_page(watch: Watch, owner: Owner, size: tuple[int, int]) -> None:
    page = watch.open(size=size, signed_in=owner)
    email = f"{'somebody.with.a.long.name.' * 2}{uuid4().hex[:8]}@{'subdomain.' * 3}example.com"
    page.goto("/dashboard/settings/people")
    page.get_by_test_id("person-email-input").fill(email)
    page.get_by_test_id("person-password-input").fill("first password")
    page.get_by_test_id("add-person-button").click()
    row = page.locator(f"[data-email='{email}']")
    expect(row).to_be_visible()
    fits(page)
    newcomer = watch.open(size=size)
    newcomer.goto("/login")
    newcomer.get_by_test_id("email-input").fill(email)
    newcomer.get_by_test_id("password-input").fill("first password")
    newcomer.get_by_test_id("login-button").click()
    expect(newcomer.get_by_test_id("dashboard")).to_be_visible()
    for address in ("/dashboard/settings", "/dashboard/settings/people", "/dashboard/settings/audit"):
        newcomer.goto(address)
        expect(newcomer.get_by_role("heading", name="Settings")).to_be_visible()
        fits(newcomer)
