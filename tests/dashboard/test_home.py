"""The first page: a merchant's own numbers, live; keys for those who may see them."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update

from gateway.core.db import session, transaction
from gateway.dashboard import home
from gateway.domain import events
from gateway.models import ApiKey, Delivery
from tests.conftest import Office, Person
from tests.dashboard.conftest import Visit
from tests.scripted import DECLINED, ScriptedBank

IDS = (
    "dashboard",
    "api-credentials",
    "api-key",
    "api-secret",
    "stats-container",
    "total-transactions",
    "total-amount",
    "success-rate",
)


def shown(page: str, test_id: str) -> str:
    """The text of the element with this id."""
    found = re.search(rf'data-test-id="{test_id}"[^>]*>(.*?)</', page, re.DOTALL)
    assert found is not None, f"no {test_id} on the page"
    return found[1].strip()


@pytest.fixture(autouse=True)
def nothing_is_shared(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor anything that a test before has left in the application, which all of them use."""
    app.extensions.pop("numbers", None)
    monkeypatch.setattr(home, "_SHARED_S", 0.0)


@pytest.fixture
def settle(bank: ScriptedBank, office: Office, wait: Callable[[float], None]) -> Callable[[], None]:
    def settle() -> None:
        wait(2)
        office.settle()

    return settle


def test_it_has_what_the_contract_promises(visit: Visit) -> None:
    page = visit.get("/dashboard").text
    assert [name for name in IDS if f'data-test-id="{name}"' not in page] == []
    assert shown(page, "api-key") == "key_test_abc123"
    assert shown(page, "api-secret") == "secret_test_xyz789"
    assert shown(page, "total-transactions") == "0"
    assert shown(page, "total-amount") == "₹0"
    assert shown(page, "success-rate") == "0%"


def test_numbers_are_those_of_what_happened(
    visit: Visit, merchant: Person, bank: ScriptedBank, settle: Callable[[], None]
) -> None:
    for _ in range(19):
        merchant.pay(merchant.order(2_500_000))
    settle()
    bank.will_say(DECLINED)
    merchant.pay()
    settle()
    page = visit.get("/dashboard").text
    assert shown(page, "total-transactions") == "20"
    assert shown(page, "total-amount") == "₹4,75,000"
    assert 'data-amount="47500000"' in page
    assert shown(page, "success-rate") == "95%"


def test_paise_are_shown_where_there_are_any(
    visit: Visit, merchant: Person, settle: Callable[[], None]
) -> None:
    merchant.pay(merchant.order(50_050))
    settle()
    assert shown(visit.get("/dashboard").text, "total-amount") == "₹500.50"


def test_currencies_are_not_added_up(visit: Visit, merchant: Person, settle: Callable[[], None]) -> None:
    merchant.pay(merchant.order(70_000))
    merchant.pay(merchant.order(1234, currency="USD"))
    settle()
    page = visit.get("/dashboard").text
    assert shown(page, "total-amount") == "₹700"
    assert shown(page, "total-amount-USD") == "$12.34"


def test_a_rival_sees_nothing_of_it(rival_visit: Visit, merchant: Person, settle: Callable[[], None]) -> None:
    payment = merchant.pay()
    settle()
    for path in ("/dashboard", "/dashboard/numbers"):
        page = rival_visit.get(path).text
        assert shown(page, "total-transactions") == "0"
        assert payment["id"] not in page
    assert shown(rival_visit.get("/dashboard").text, "api-key") == "key_rival"


def test_a_period_is_kept_in_the_address(
    visit: Visit, merchant: Person, wait: Callable[[float], None]
) -> None:
    merchant.pay()
    wait(3 * 86_400)
    merchant.pay()
    counts = {
        period: shown(visit.get(f"/dashboard?period={period}").text, "total-transactions")
        for period in ("today", "7d", "30d", "all", "nonsense")
    }
    assert counts == {"today": "1", "7d": "2", "30d": "2", "all": "2", "nonsense": "2"}
    assert "/dashboard/numbers?period=7d" in visit.get("/dashboard?period=7d").text


def test_a_poll_answers_304_until_something_has_changed(
    visit: Visit, merchant: Person, settle: Callable[[], None]
) -> None:
    first = visit.get("/dashboard/numbers")
    assert first.headers["Cache-Control"] == "private, no-cache"
    seen = {"If-None-Match": first.headers["ETag"]}
    unchanged = visit.get("/dashboard/numbers", headers=seen)
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    merchant.pay()
    changed = visit.get("/dashboard/numbers", headers=seen)
    assert changed.status_code == 200
    assert shown(changed.text, "total-transactions") == "1"
    settle()
    seen = {"If-None-Match": changed.headers["ETag"]}
    assert shown(visit.get("/dashboard/numbers", headers=seen).text, "success-rate") == "100%"


def test_tabs_that_ask_at_once_share_an_answer_and_no_two_merchants_do(
    visit: Visit, rival_visit: Visit, merchant: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_SHARED_S", 3600.0)
    visit.get("/dashboard/numbers")
    merchant.pay()
    assert shown(visit.get("/dashboard/numbers").text, "total-transactions") == "0"
    assert shown(visit.get("/dashboard/numbers?period=7d").text, "total-transactions") == "1"
    # Whoever opens or reloads the page has the present.
    assert shown(visit.get("/dashboard").text, "total-transactions") == "1"
    assert "key_rival" in rival_visit.get("/dashboard").text
    assert shown(rival_visit.get("/dashboard/numbers?period=7d").text, "total-transactions") == "0"


def test_a_fragment_has_its_own_id_and_carries_no_key(visit: Visit) -> None:
    fragment = visit.get("/dashboard/numbers").text
    assert fragment.lstrip().startswith('<div id="numbers"')
    assert "<html" not in fragment
    assert "secret_test_xyz789" not in fragment


def test_it_looks_more_often_while_something_is_at_the_bank(
    visit: Visit, merchant: Person, settle: Callable[[], None]
) -> None:
    assert 'hx-trigger="every 3s"' in visit.get("/dashboard").text
    merchant.pay()
    assert 'hx-trigger="every 2s"' in visit.get("/dashboard").text
    settle()
    assert 'hx-trigger="every 3s"' in visit.get("/dashboard").text


def test_the_chart_can_be_read_without_seeing_it(
    visit: Visit, merchant: Person, settle: Callable[[], None]
) -> None:
    merchant.pay()
    settle()
    page = visit.get("/dashboard").text
    assert '<title id="chart-amounts-title">Amount received by hour</title>' in page
    assert 'aria-labelledby="chart-counts-title chart-counts-desc"' in page
    assert "Show as a table" in page
    assert page.count('class="bar-good"') == 2
    assert "style=" not in page


def test_failed_deliveries_ask_for_attention(
    visit: Visit, merchant: Person, rival_visit: Visit, settle: Callable[[], None], office: Office
) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay()
    settle()
    with transaction():
        events.fan_out()
    with transaction():
        session().execute(update(Delivery).values(status="failed", next_retry_at=None))
    page = visit.get("/dashboard").text
    assert re.search(r"\d deliveries could not be made", page)
    assert "/dashboard/webhooks?status=failed" in page
    links = re.findall(r'href="/dashboard/webhooks/([^"]+)"', page)
    with transaction():
        made = {str(delivery_id) for delivery_id in session().scalars(select(Delivery.id))}
    assert links and set(links) <= made
    assert "could not be made" not in rival_visit.get("/dashboard").text


def test_a_viewer_sees_numbers_and_no_secret(viewer: Visit, developer: Visit) -> None:
    page = viewer.get("/dashboard").text
    assert "secret_test_xyz789" not in page
    assert shown(page, "api-key") == "key_test_abc123"
    assert "roll-key-button" not in page
    assert shown(developer.get("/dashboard").text, "api-secret") == "secret_test_xyz789"


def test_production_shows_no_secret(visit: Visit, app: Flask) -> None:
    with transaction():
        session().execute(update(ApiKey).values(secret_encrypted=None))
    assert "Shown once" in shown(visit.get("/dashboard").text, "api-secret")


def test_without_a_key_it_says_so(visit: Visit, rows) -> None:
    with transaction():
        session().execute(update(ApiKey).values(revoked_at=ApiKey.created_at))
    page = visit.get("/dashboard").text
    assert "There is no key in use" in page
    assert "Create key" in page


def test_who_is_signed_out_is_sent_to_the_door(app: Flask) -> None:
    answer = app.test_client().get("/dashboard?period=7d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/dashboard?period%3D7d")
    poll = app.test_client().get("/dashboard/numbers", headers={"HX-Request": "true"})
    assert (poll.status_code, poll.headers["HX-Redirect"], poll.data) == (401, "/login", b"")


def test_empty_pages_propose_only_what_the_reader_may_do(visit: Visit, viewer: Visit) -> None:
    assert "/dashboard/orders/new" in visit.get("/dashboard").text
    assert "You can also create one here" in visit.get("/dashboard/orders").text
    assert "Save an address above" in visit.get("/dashboard/webhooks").text
    assert "/dashboard/orders/new" not in viewer.get("/dashboard").text
    assert "You can also create one here" not in viewer.get("/dashboard/orders").text
    assert "Save an address above" not in viewer.get("/dashboard/webhooks").text
