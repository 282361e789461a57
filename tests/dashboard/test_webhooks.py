"""The webhooks page: configuration, the log, every attempt, sending again."""

import dataclasses
import html
import json
import re
from typing import Any

import pytest
from sqlalchemy import update

from gateway.core import config as settings
from gateway.core.db import session, transaction
from gateway.core.sending import Receipt
from gateway.domain import dispatch, endpoints, events
from gateway.models import Endpoint
from tests.conftest import Office, Person, some_payment
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/webhooks"
NOWHERE = "http://127.0.0.1:9/hook"
EVERY_ID = (
    "webhook-config",
    "webhook-config-form",
    "webhook-url-input",
    "webhook-secret",
    "regenerate-secret-button",
    "save-webhook-button",
    "test-webhook-button",
    "webhook-logs-table",
)
EVERY_ID_OF_A_ROW = (
    "webhook-log-item",
    "webhook-event",
    "webhook-status",
    "webhook-attempts",
    "webhook-last-attempt",
    "webhook-response-code",
    "retry-webhook-button",
)
GONE = Receipt("refused", 7, response_code=410, response_body="<script>alert(1)</script>")
THANKS = Receipt("success", 12, response_code=200, response_body="OK")


def has(page: Any, test_id: str) -> bool:
    return f'data-test-id="{test_id}"' in page.text


def text_of(page: Any, test_id: str) -> list[str]:
    """What the elements with this id say, without their tags."""
    found = re.findall(rf'<(\w+)[^>]*data-test-id="{test_id}"[^>]*>(.*?)</\1>', page.text, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", inner)).strip() for _, inner in found]


def deliver(receipt: Receipt, *names: str, merchant_id: str) -> None:
    """Deliveries of these events that got this answer."""
    with transaction():
        for name in names:
            events.emit(merchant_id, name, some_payment())
    with transaction():
        events.fan_out()
    with transaction():
        claims = dispatch.claim(100, {}, 100)
    with transaction():
        dispatch.record([(claim, receipt) for claim in claims])
    with transaction():
        session().execute(update(Endpoint).values(is_enabled=True))


@pytest.fixture
def shop(merchant: Person) -> str:
    """The merchant's endpoint, where nobody listens; the merchant's id."""
    with transaction():
        endpoints.configure(merchant.merchant_id, "test", NOWHERE)
    return merchant.merchant_id


def ids(page: Any) -> list[str]:
    return re.findall(r'data-test-id="webhook-log-item" data-webhook-id="([^"]+)"', page.text)


def test_it_has_everything_that_others_look_for(visit: Visit, shop: str) -> None:
    empty = visit.get(PAGE)
    assert [test_id for test_id in EVERY_ID if not has(empty, test_id)] == []
    assert "Nothing was sent yet" in empty.text
    deliver(THANKS, "payment.success", merchant_id=shop)
    page = visit.get(PAGE)
    assert [test_id for test_id in EVERY_ID_OF_A_ROW if not has(page, test_id)] == []
    assert text_of(page, "webhook-event") == ["payment.success"]
    assert text_of(page, "webhook-attempts") == ["1"]
    assert text_of(page, "webhook-response-code") == ["200"]
    assert text_of(page, "webhook-secret") == ["whsec_test_abc123"]
    assert f'data-webhook-id="{ids(page)[0]}">' in page.text.split("retry-webhook-button")[1][:80]


def test_saving_really_saves_and_nothing_typed_switches_off(visit: Visit, merchant: Person) -> None:
    saved = visit.post(PAGE, webhook_url=" https://shop.example/hook ", wants="all")
    assert (saved.status_code, saved.location) == (303, PAGE)
    assert merchant.get("/webhooks/config").json["webhook_url"] == "https://shop.example/hook"
    assert "Events go to https://shop.example/hook" in visit.get(PAGE).text
    visit.post(PAGE, webhook_url="", wants="all")
    assert merchant.get("/webhooks/config").json["webhook_url"] is None


def test_events_are_chosen(visit: Visit, merchant: Person) -> None:
    visit.post(PAGE, webhook_url=NOWHERE, wants="some", events=["payment.failed", "payment.success"])
    assert merchant.get("/webhooks/config").json["events"] == ["payment.success", "payment.failed"]
    boxes = re.findall(r'value="([\w.]+)" (checked)?>', visit.get(PAGE).text)
    assert [name for name, checked in boxes if checked and name != "some"] == [
        "payment.success",
        "payment.failed",
    ]
    visit.post(PAGE, webhook_url=NOWHERE, wants="all")
    assert "events" not in merchant.get("/webhooks/config").json


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"webhook_url": "ftp://x", "wants": "all"}, "webhook_url", "The address must begin with http://"),
        ({"webhook_url": NOWHERE, "wants": "some"}, "events", "Choose at least one event"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field(
    visit: Visit, merchant: Person, fields: dict[str, str], field: str, words: str
) -> None:
    page = visit.post(PAGE, **fields)
    assert page.status_code == 400
    assert words in text_of(page, f"{field}-error")[0]
    assert f'value="{fields["webhook_url"]}"' in page.text
    assert merchant.get("/webhooks/config").json["webhook_url"] is None


def test_a_disabled_endpoint_says_why_and_is_enabled_again(visit: Visit, merchant: Person, shop: str) -> None:
    visit.post(PAGE, webhook_url=NOWHERE, wants="some", events=["payment.failed"])
    deliver(GONE, "payment.failed", merchant_id=shop)
    with transaction():
        session().execute(update(Endpoint).values(is_enabled=False))
    page = visit.get(PAGE)
    assert "The receiver answered 410 Gone" in page.text and has(page, "enable-webhook-button")
    visit.post(PAGE, webhook_url=NOWHERE)
    assert not has(visit.get(PAGE), "webhook-disabled")
    assert merchant.get("/webhooks/config").json == {
        "webhook_url": NOWHERE,
        "webhook_secret": "whsec_test_abc123",
        "events": ["payment.failed"],
    }


def test_a_new_secret_is_asked_about_first(visit: Visit, merchant: Person) -> None:
    asked = visit.post(f"{PAGE}/regenerate-secret", confirmed="")
    assert asked.status_code == 200 and has(asked, "confirm-button")
    assert merchant.get("/webhooks/config").json["webhook_secret"] == "whsec_test_abc123"
    visit.post(f"{PAGE}/regenerate-secret", confirmed="yes")
    secret = merchant.get("/webhooks/config").json["webhook_secret"]
    assert secret != "whsec_test_abc123"
    assert text_of(visit.get(PAGE), "webhook-secret") == [secret]


def test_a_test_is_really_sent(visit: Visit, shop: str, office: Office) -> None:
    visit.post(f"{PAGE}/test")
    assert 'hx-trigger="every 2s"' in visit.get(PAGE).text
    office.deliver()
    page = visit.get(PAGE)
    assert text_of(page, "webhook-event") == ["webhook.test"]
    assert text_of(page, "webhook-attempts") == ["1"]


def test_a_test_without_an_address_says_what_to_do(visit: Visit) -> None:
    came_from = {"Referer": f"http://localhost{PAGE}"}
    token = visit.csrf_token()
    answer = visit.client.post(f"{PAGE}/test", data={"csrf_token": token}, headers=came_from)
    assert answer.status_code == 303
    assert "Save a webhook URL before sending a test" in visit.get(PAGE).text


def test_the_log_is_asked_for_often_only_while_something_is_unfinished(visit: Visit, shop: str) -> None:
    deliver(Receipt("timeout", 5000), "payment.success", merchant_id=shop)
    log = visit.get(f"{PAGE}/log")
    assert 'hx-trigger="every 2s"' in log.text and "data-until=" in log.text
    again = visit.get(f"{PAGE}/log", headers={"If-None-Match": log.headers["ETag"]})
    assert again.status_code == 304
    visit.post(f"{PAGE}/{ids(log)[0]}/retry")
    deliver(THANKS, merchant_id=shop)
    log = visit.get(f"{PAGE}/log")
    assert 'hx-trigger="every 10s"' in log.text
    assert "hx-trigger" not in visit.get(f"{PAGE}/log?after={ids(log)[0]}").text


def test_it_filters_and_pages_and_keeps_both_in_its_addresses(visit: Visit, shop: str) -> None:
    deliver(GONE, *["payment.failed"] * 26, merchant_id=shop)
    deliver(THANKS, "payment.success", merchant_id=shop)
    assert text_of(visit.get(f"{PAGE}?status=success"), "webhook-event") == ["payment.success"]
    first = visit.get(f"{PAGE}?event=payment.failed&status=failed")
    assert len(ids(first)) == 25
    older = html.unescape(re.search(r'href="([^"]+after=[^"]+)"', first.text)[1])
    assert older.startswith(f"{PAGE}?event=payment.failed&status=failed&after=")
    second = visit.get(older)
    assert len(ids(second)) == 1 and not set(ids(second)) & set(ids(first))
    retried = visit.post(older.replace("?", f"/{ids(second)[0]}/retry?"))
    assert retried.location == older
    assert len(ids(visit.get(f"{PAGE}?event=nonsense&status=%00"))) == 25
    assert visit.get(f"{PAGE}?after=x").status_code == 400
    assert "No delivery fits" in visit.get(f"{PAGE}?event=order.paid").text


def test_a_row_unfolds_and_folds(visit: Visit, shop: str) -> None:
    deliver(GONE, "payment.failed", "order.paid", merchant_id=shop)
    one, other = ids(visit.get(PAGE))
    page = visit.get(f"{PAGE}?status=failed&open={one}")
    assert page.text.count('data-test-id="webhook-details"') == 1
    links = [html.unescape(link) for link in re.findall(r'id="open-[^"]+" href="([^"]+)"', page.text)]
    assert links == [f"{PAGE}?status=failed", f"{PAGE}?status=failed&open={other}"]
    assert f"/log?status=failed&amp;open={one}" in page.text
    assert not has(visit.get(f"{PAGE}?open=nonsense"), "webhook-details")


def test_a_delivery_shows_each_attempt_and_exactly_what_was_sent(
    visit: Visit, merchant: Person, shop: str
) -> None:
    deliver(Receipt("timeout", 5000, error="No answer within 5 s"), "payment.failed", merchant_id=shop)
    delivery_id = ids(visit.get(PAGE))[0]
    visit.post(f"{PAGE}/{delivery_id}/retry")
    deliver(GONE, merchant_id=shop)
    page = visit.get(f"{PAGE}/{delivery_id}")
    assert page.status_code == 200
    first, second = _times(page)
    assert [words.split() for words in text_of(page, "webhook-attempt")] == [
        ["1", *first, "refused", "410", "7", "ms"],
        ["1", *second, "timeout", "No", "answer", "within", "5", "s", "—", "5,000", "ms"],
    ]
    payload = merchant.get(f"/webhooks/{delivery_id}").json["payload"]
    assert text_of(page, "webhook-payload") == [payload]
    assert text_of(page, "webhook-response-body") == ["<script>alert(1)</script>"]
    assert "<script>alert" not in page.text
    headers = dict(line.split(": ", 1) for line in text_of(page, "webhook-headers")[0].splitlines())
    assert headers["webhook-id"] == json.loads(payload)["id"]
    assert headers["X-Webhook-Attempt"] == "1" and len(headers["X-Webhook-Signature"]) == 64
    assert "whsec_" not in page.text


def _times(page: Any) -> list[list[str]]:
    found = re.findall(r'data-label="Started"><time[^>]*>([^<]+)<', page.text)
    return [each.split() for each in found]


def test_a_retry_from_its_own_page_returns_there(visit: Visit, shop: str) -> None:
    deliver(THANKS, "payment.success", merchant_id=shop)
    delivery_id = ids(visit.get(PAGE))[0]
    own = f"{PAGE}/{delivery_id}"
    assert "hx-trigger" not in visit.get(own).text
    answer = visit.post(f"{own}/retry", **{"from": "its page"})
    assert answer.location == own
    live = visit.get(f"{own}/live")
    assert 'hx-trigger="every 2s"' in live.text and text_of(live, "webhook-status") == ["pending"]


def test_all_failed_are_retried_after_their_number_was_shown(visit: Visit, shop: str) -> None:
    deliver(GONE, "payment.failed", "payment.failed", "order.paid", merchant_id=shop)
    page = visit.get(f"{PAGE}?event=payment.failed")
    assert "Send 2 deliveries of payment.failed again?" in page.text
    assert not has(visit.get(f"{PAGE}?status=success"), "retry-failed-button")
    path = f"{PAGE}/retry-failed?event=payment.failed"
    asked = visit.post(path)
    assert "Retry 2 failed deliveries of payment.failed?" in asked.text
    done = visit.post(path, confirmed="yes")
    assert done.location == f"{PAGE}?event=payment.failed"
    assert "2 deliveries on the way again." in visit.get(PAGE).text
    assert text_of(visit.get(f"{PAGE}?status=failed"), "webhook-event") == ["order.paid"]


def test_a_rival_sees_nothing_and_changes_nothing(visit: Visit, rival_visit: Visit, shop: str) -> None:
    deliver(GONE, "payment.failed", merchant_id=shop)
    delivery_id = ids(visit.get(PAGE))[0]
    page = rival_visit.get(f"{PAGE}?open={delivery_id}")
    assert ids(page) == [] and NOWHERE not in page.text and "whsec_test_abc123" not in page.text
    for path in (delivery_id, f"{delivery_id}/live"):
        assert rival_visit.get(f"{PAGE}/{path}").status_code == 404
    assert rival_visit.post(f"{PAGE}/{delivery_id}/retry").status_code == 404
    rival_visit.post(f"{PAGE}/retry-failed", confirmed="yes")
    assert text_of(visit.get(PAGE), "webhook-status") == ["failed"]


@pytest.mark.parametrize("path", ["x", "00000000-0000-0000-0000-000000000000", "%00", "x/live"])
def test_a_delivery_that_is_none_is_not_found(visit: Visit, path: str) -> None:
    assert visit.get(f"{PAGE}/{path}").status_code == 404


def test_a_viewer_looks_and_sees_neither_secret_nor_button(
    visit: Visit, viewer: Visit, merchant: Person, shop: str
) -> None:
    deliver(GONE, "payment.failed", merchant_id=shop)
    delivery_id = ids(visit.get(PAGE))[0]
    page = viewer.get(f"{PAGE}?open={delivery_id}")
    assert NOWHERE in page.text and ids(page) == [delivery_id]
    assert "whsec_" not in page.text and "(hidden from your role)" in page.text
    for test_id in (*EVERY_ID[1:7], "retry-webhook-button", "retry-failed-button"):
        assert not has(page, test_id), test_id
    acts = ("", "/test", "/regenerate-secret", "/retry-failed", f"/{delivery_id}/retry")
    assert [viewer.post(f"{PAGE}{act}", confirmed="yes", webhook_url="").status_code for act in acts] == [
        403
    ] * len(acts)
    assert merchant.get("/webhooks/config").json["webhook_url"] == NOWHERE


def test_a_developer_may_do_all_of_it(developer: Visit, merchant: Person) -> None:
    developer.post(PAGE, webhook_url=NOWHERE, wants="all")
    assert merchant.get("/webhooks/config").json["webhook_url"] == NOWHERE
    assert has(developer.get(PAGE), "regenerate-secret-button")


def test_acts_bear_the_persons_name(developer: Visit, rows: Any) -> None:
    developer.post(PAGE, webhook_url=NOWHERE, wants="some", events="payment.success")
    developer.post(f"{PAGE}/test")
    developer.post(f"{PAGE}/regenerate-secret", confirmed="yes")
    acts = rows(
        "SELECT act FROM audit_log WHERE actor = :actor ORDER BY created_at", actor=developer.person.email
    )
    assert [row["act"] for row in acts] == [
        "webhook.saved",
        "webhook.events_chosen",
        "webhook.tested",
        "webhook.secret_regenerated",
    ]


def test_production_covers_the_secret_until_somebody_asks(visit: Visit, config: Any) -> None:
    settings.use(dataclasses.replace(config, env="production"))
    page = visit.get(PAGE)
    assert text_of(page, "webhook-secret") == ["•" * 20]
    assert 'data-reveal="webhook-secret"' in page.text
    assert text_of(visit.get(f"{PAGE}?secret=shown"), "webhook-secret") == ["whsec_test_abc123"]
