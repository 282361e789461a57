"""In at the door and out again, as a person does it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, PASSWORD, WIDE, Owner, Watch, fits, is_accessible


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_an_owner_signs_in_and_out(watch: Watch, owner: Owner, size: tuple[int, int], dark: bool) -> None:
    page = watch.open(size=size, dark=dark)
    page.goto("/")
    expect(page.get_by_test_id("login-form")).to_be_visible()
    is_accessible(page)
    fits(page)
    page.get_by_test_id("email-input").fill(owner.email)
    page.get_by_test_id("password-input").fill(PASSWORD)
    page.get_by_test_id("login-button").click()
    expect(page.get_by_test_id("dashboard")).to_be_visible()
    is_accessible(page)
    fits(page)
    if size == NARROW:
        page.get_by_text("Menu", exact=True).click()
    page.get_by_test_id("sign-out-button").click()
    expect(page.get_by_test_id("login-form")).to_be_visible()
    page.goto("/dashboard")
    expect(page.get_by_test_id("login-form")).to_be_visible()


def test_a_wrong_password_is_told_beside_the_field(watch: Watch, owner: Owner) -> None:
    page = watch.open()
    page.goto("/login")
    page.get_by_test_id("email-input").fill(owner.email)
    page.get_by_test_id("password-input").fill("not this one")
    page.get_by_test_id("login-button").click()
    expect(page.get_by_test_id("email-error")).to_have_text("E-mail or password is wrong")
    expect(page.get_by_test_id("email-input")).to_have_value(owner.email)
    watch.forgive("401")


def test_it_needs_no_script(watch: Watch, owner: Owner) -> None:
    page = watch.open(scripts=False)
    page.goto("/login")
    page.get_by_test_id("email-input").fill(owner.email)
    page.get_by_test_id("password-input").fill(PASSWORD)
    page.get_by_test_id("login-button").click()
    expect(page.get_by_test_id("dashboard")).to_be_visible()


def test_a_copied_cookie_is_worth_nothing_after_signing_out(watch: Watch, hire: Callable[..., Owner]) -> None:
    owner = hire()
    page, cookie = watch.open(), owner.cookie()
    page.context.add_cookies([cookie])  # type: ignore[list-item]
    page.goto("/dashboard")
    page.get_by_test_id("sign-out-button").click()
    expect(page.get_by_test_id("login-form")).to_be_visible()
    thief = watch.open()
    thief.context.add_cookies([cookie])  # type: ignore[list-item]
    thief.goto("/dashboard")
    expect(thief.get_by_test_id("login-form")).to_be_visible()
