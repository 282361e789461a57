"""Webhooks as a merchant sets them up, watches them fail, and sends them again."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Dialog, expect

from gateway.app import connect
from gateway.core import clock
from gateway.core.db import session, transaction
from gateway.core.ids import new_id
from gateway.domain import endpoints, wire
from gateway.models import Delivery, Event
from tests.browser.conftest import NARROW, WIDE, Owner, Watch, fits, is_accessible
from tests.faults.letterbox import Letterbox
from tests.faults.processes import wait_until
from tests.faults.town import leave

PAGE = "/dashboard/webhooks"


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    with Letterbox() as box:
        yield box


@pytest.fixture
def shop(owner: Owner, letterbox: Letterbox) -> Iterator[Owner]:
    """An owner whose webhooks come to the letterbox."""
    owner.api.receive_at(letterbox.url)
    yield owner
    owner.api.receive_at(None)


def accept(asked: list[str]) -> Callable[[Dialog], None]:
    """Says yes to every question, and writes it down."""

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    return answer


def plant_failures(owner: Owner, *names: str) -> None:
    """Deliveries of these events that failed long ago."""
    connect(owner.town.config)
    try:
        with transaction():
            endpoint_id = endpoints.default(owner.api.id).id
            for sequence, name in enumerate(names, 1):
                event = Event(
                    id=new_id("evt"),
                    merchant_id=owner.api.id,
                    event=name,
                    data=wire.encode({"payment": wire.sample_payment()}),
                    sequence=sequence,
                    created_at=clock.now(),
                )
                session().add(event)
                session().flush()
                session().add(
                    Delivery(
                        id=str(uuid4()),
                        merchant_id=owner.api.id,
                        event_id=event.id,
                        endpoint_id=endpoint_id,
                        event=name,
                        payload=wire.event_body(event, sequence),
                        status="failed",
                        attempts=5,
                        response_code=500,
                        created_at=clock.now(),
                    )
                )
    finally:
        leave()


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, True)])
def test_an_owner_configures_sends_a_test_and_looks_at_it(
    watch: Watch, owner: Owner, letterbox: Letterbox, size: tuple[int, int], dark: bool
) -> None:
    page = watch.open(size=size, dark=dark, signed_in=owner)
    page.goto(PAGE)
    expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
    is_accessible(page)
    fits(page)

    page.get_by_test_id("webhook-url-input").fill("shop.example/hook")
    page.get_by_test_id("save-webhook-button").click()
    expect(page.get_by_test_id("webhook_url-error")).to_contain_text("http://")
    expect(page.get_by_test_id("webhook-url-input")).to_have_value("shop.example/hook")
    watch.forgive("400")

    page.get_by_test_id("webhook-url-input").fill(letterbox.url)
    page.get_by_label("Only these").check()
    page.get_by_label("payment.created").uncheck()
    is_accessible(page)
    fits(page)
    page.get_by_test_id("save-webhook-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Saved")
    expect(page.get_by_label("payment.created")).not_to_be_checked()
    expect(page.get_by_label("payment.success")).to_be_checked()

    page.get_by_test_id("test-webhook-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("on its way")
    expect(page.get_by_test_id("webhook-event")).to_have_text("webhook.test")
    expect(page.get_by_test_id("webhook-status")).to_have_text("success")
    expect(page.get_by_test_id("webhook-response-code")).to_have_text("200")
    expect(page.get_by_test_id("webhook-attempts")).to_have_text("1")
    assert letterbox.events == {"webhook.test": 1}

    page.get_by_test_id("webhook-expand").click()
    expect(page.get_by_test_id("webhook-attempt")).to_have_count(1)
    page.get_by_text("Exactly as it is sent").click()
    expect(page.get_by_test_id("webhook-payload")).to_have_text(letterbox.letters[0].body.decode())
    headers = page.get_by_test_id("webhook-headers").inner_text().splitlines()
    assert "Content-Type: application/json" in headers
    is_accessible(page)
    fits(page)
    page.get_by_role("link", name="A page of its own").click()
    expect(page.get_by_test_id("webhook-delivery")).to_be_visible()
    is_accessible(page)
    fits(page)


def test_a_failing_delivery_is_watched_and_what_is_unfolded_stays_so(
    watch: Watch, shop: Owner, letterbox: Letterbox
) -> None:
    letterbox.status = 500
    page = watch.open(signed_in=shop)
    page.goto(PAGE)
    page.get_by_test_id("test-webhook-button").click()
    expect(page.get_by_test_id("webhook-response-code")).to_have_text("500")
    unfold = page.get_by_test_id("webhook-expand")
    unfold.click()
    page.get_by_text("Exactly as it is sent").click()
    expect(page.get_by_test_id("webhook-payload")).to_be_visible()
    unfold.focus()
    # It is tried again by itself, and the page shows so.
    expect(page.get_by_test_id("webhook-attempt").nth(1)).to_be_visible()
    letterbox.status = 200
    delivery_id = page.get_by_test_id("webhook-log-item").get_attribute("data-webhook-id")
    shop.api.post(f"/webhooks/{delivery_id}/retry", status=200)
    expect(page.get_by_test_id("webhook-status")).to_have_text("success")
    expect(page.get_by_test_id("webhook-attempt").first).to_contain_text("success")
    expect(page.get_by_test_id("webhook-payload")).to_be_visible()
    expect(unfold).to_have_attribute("aria-expanded", "true")
    expect(unfold).to_be_focused()
    unfold.click()
    expect(page.get_by_test_id("webhook-details")).to_have_count(0)


def test_an_endpoint_that_is_gone_is_enabled_again_and_retried_by_hand(
    watch: Watch, shop: Owner, letterbox: Letterbox
) -> None:
    letterbox.status = 410
    page = watch.open(signed_in=shop)
    page.goto(PAGE)
    page.get_by_test_id("test-webhook-button").click()
    expect(page.get_by_test_id("webhook-status")).to_have_text("failed")
    page.reload()
    expect(page.get_by_test_id("webhook-disabled")).to_contain_text("410 Gone")
    is_accessible(page)
    letterbox.status = 200
    page.get_by_test_id("enable-webhook-button").click()
    expect(page.get_by_test_id("webhook-disabled")).to_have_count(0)
    page.get_by_test_id("retry-webhook-button").click()
    expect(page.get_by_test_id("webhook-status")).to_have_text("success")
    expect(page.get_by_test_id("webhook-response-code")).to_have_text("200")


def test_a_new_secret_is_made_only_after_a_yes(watch: Watch, owner: Owner) -> None:
    page, asked = watch.open(signed_in=owner), list[str]()
    page.goto(PAGE)
    old = page.get_by_test_id("webhook-secret").inner_text()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_test_id("regenerate-secret-button").click()
    expect(page.get_by_test_id("webhook-secret")).to_have_text(old)
    page.on("dialog", accept(asked))
    page.get_by_test_id("regenerate-secret-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("new signing secret")
    expect(page.get_by_test_id("webhook-secret")).not_to_have_text(old)
    assert len(asked) == 1
    new = owner.api.get("/webhooks/config")["webhook_secret"]
    expect(page.get_by_test_id("webhook-secret")).to_have_text(new)


def test_all_failed_deliveries_of_the_chosen_event_are_retried(
    watch: Watch, shop: Owner, letterbox: Letterbox
) -> None:
    plant_failures(shop, "payment.failed", "refund.failed", "payment.failed")
    page, asked = watch.open(signed_in=shop), list[str]()
    page.on("dialog", accept(asked))
    page.goto(PAGE)
    expect(page.get_by_test_id("webhook-log-item")).to_have_count(3)
    page.get_by_test_id("filter-event").select_option("payment.failed")
    expect(page.get_by_test_id("webhook-log-item")).to_have_count(2)
    assert page.url.endswith("?event=payment.failed&status=")
    page.get_by_test_id("retry-failed-button").click()
    expect(page.get_by_test_id("toast")).to_have_text("2 deliveries on the way again.")
    assert asked == ["Send 2 deliveries of payment.failed again?"]
    for number in range(2):
        expect(page.get_by_test_id("webhook-status").nth(number)).to_have_text("success")
    expect(page.get_by_test_id("filter-event")).to_have_value("payment.failed")
    page.get_by_test_id("clear-filters").click()
    expect(page.get_by_test_id("webhook-log-item")).to_have_count(3)
    page.get_by_test_id("filter-status").select_option("failed")
    expect(page.get_by_test_id("webhook-log-item")).to_have_count(1)
    expect(page.get_by_test_id("webhook-event")).to_have_text("refund.failed")
    assert letterbox.events == {"payment.failed": 2}


def test_it_needs_no_script(watch: Watch, owner: Owner, letterbox: Letterbox) -> None:
    page = watch.open(scripts=False, signed_in=owner)
    page.goto(PAGE)
    page.get_by_test_id("webhook-url-input").fill(letterbox.url)
    page.get_by_test_id("save-webhook-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Saved")
    expect(page.get_by_test_id("test-webhook-button")).to_be_hidden()
    page.get_by_role("button", name="Send test webhook").click()
    expect(page.get_by_test_id("toast")).to_contain_text("on its way")
    wait_until(lambda: owner.api.get("/webhooks")["data"], 30, "a delivery")
    wait_until(owner.api.is_told_everything, 30, "its end")

    page.goto(PAGE)
    page.get_by_test_id("webhook-expand").click()
    expect(page.get_by_test_id("webhook-attempt")).to_have_count(1)
    page.get_by_test_id("retry-webhook-button").click()
    expect(page.get_by_test_id("toast")).to_contain_text("on its way again")
    wait_until(lambda: len(letterbox.letters) == 2, 30, "the delivery a second time")

    old = page.get_by_test_id("webhook-secret").inner_text()
    page.get_by_test_id("regenerate-secret-button").click()
    page.get_by_test_id("confirm-button").click()
    expect(page.get_by_test_id("webhook-secret")).not_to_have_text(old)
