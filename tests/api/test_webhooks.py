"""Webhooks over the API: configuration, the log, retries."""

import pytest

from tests.conftest import Office, Person

SEVEN = {"id", "event", "status", "attempts", "created_at", "last_attempt_at", "response_code"}


def test_the_configuration_is_saved_and_read(merchant: Person) -> None:
    assert merchant.get("/webhooks/config").json == {
        "webhook_url": None,
        "webhook_secret": "whsec_test_abc123",
    }
    saved = merchant.put("/webhooks/config", {"webhook_url": "https://shop.example/hook?a=b"})
    assert saved.json == {
        "webhook_url": "https://shop.example/hook?a=b",
        "webhook_secret": "whsec_test_abc123",
    }
    assert merchant.get("/webhooks/config").json == saved.json
    assert merchant.put("/webhooks/config", {"webhook_url": None}).json["webhook_url"] is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hook",
        "ftp://shop.example",
        "javascript:alert(1)",
        "http://",
        "http://[::1",
        "http://shop.example:99999",
        "http://user:secret@shop.example",
        "http://shop.example/#part",
        "http://shop.example/with space",
        "http://shop.example/\r\nX-Evil: 1",
        "http://दुकान.example",
        "http://shop.example/" + "x" * 2048,
        5,
        True,
        [],
    ],
)
def test_an_address_that_cannot_be_reached_is_refused(merchant: Person, url: object) -> None:
    answer = merchant.put("/webhooks/config", {"webhook_url": url})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "webhook_url")
    assert merchant.get("/webhooks/config").json["webhook_url"] is None


def test_saving_needs_the_field(merchant: Person) -> None:
    assert merchant.put("/webhooks/config", {}).json["error"]["description"] == "webhook_url is required"


def test_events_are_chosen_and_told_only_when_not_all_are_wanted(
    merchant: Person, office: Office, rows
) -> None:
    address = {"webhook_url": "http://127.0.0.1:9/"}
    chosen = merchant.put("/webhooks/config", address | {"events": ["payment.success", "payment.created"]})
    assert chosen.json["events"] == ["payment.created", "payment.success"]
    assert (
        merchant.put("/webhooks/config", address).json == chosen.json == merchant.get("/webhooks/config").json
    )
    merchant.pay()
    office.deliver()
    assert [row["event"] for row in rows("SELECT event FROM webhook_logs")] == ["payment.created"]
    assert "events" not in merchant.put("/webhooks/config", address | {"events": None}).json


@pytest.mark.parametrize("events", [[], ["payment.lost"], "payment.success", [5], ["webhook.test"]])
def test_events_that_there_are_not_are_refused(merchant: Person, events: object) -> None:
    body = {"webhook_url": "http://127.0.0.1:9/", "events": events}
    answer = merchant.put("/webhooks/config", body)
    assert (answer.status_code, answer.json["error"]["field"].split(".")[0]) == (400, "events")
    assert merchant.get("/webhooks/config").json["webhook_url"] is None


def test_a_new_secret_replaces_the_old_one_and_is_stored_encrypted(merchant: Person, rows) -> None:
    new = merchant.post("/webhooks/regenerate-secret").json["webhook_secret"]
    assert new.startswith("whsec_") and new != "whsec_test_abc123" and len(new) <= 64
    assert merchant.get("/webhooks/config").json["webhook_secret"] == new
    assert new not in str(rows("SELECT * FROM webhook_endpoints")) + str(rows("SELECT * FROM audit_log"))


def test_each_act_leaves_an_audit_line(merchant: Person, rows) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.post("/webhooks/regenerate-secret")
    merchant.post("/webhooks/test")
    acts = [
        (row["actor"], row["act"]) for row in rows("SELECT actor, act FROM audit_log ORDER BY created_at")
    ]
    expected = ["webhook.saved", "webhook.secret_regenerated", "webhook.tested"]
    assert acts == [("key_test_abc123", act) for act in expected]


def test_a_test_needs_an_address(merchant: Person, rows) -> None:
    answer = merchant.post("/webhooks/test")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "webhook_url")
    assert rows("SELECT * FROM events") == []


def test_the_log_shows_exactly_seven_fields_newest_first(merchant: Person, office: Office) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    for _ in range(3):
        merchant.pay()
        office.deliver()
    page = merchant.get("/webhooks?limit=4&offset=1").json
    assert (page["total"], page["limit"], page["offset"], len(page["data"])) == (6, 4, 1, 4)
    assert all(set(row) == SEVEN for row in page["data"])
    everything = merchant.get("/webhooks").json["data"]
    assert page["data"] == everything[1:5]
    times = [row["created_at"] for row in everything]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={text}" for text in ("0", "101", "-1", "ten", "", "1.5", "10x", "१०")),
        "offset=-1",
        "offset=x",
        "offset=",
    ],
)
def test_nonsense_in_paging_is_refused(merchant: Person, query: str) -> None:
    answer = merchant.get(f"/webhooks?{query}")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, query.split("=")[0])


def test_a_delivery_shows_its_body_and_every_attempt(merchant: Person, office: Office, wait) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay()
    office.deliver()
    wait(6)
    office.deliver()
    row = merchant.get("/webhooks").json["data"][0]
    detail = merchant.get(f"/webhooks/{row['id']}").json
    assert row.items() <= detail.items()
    assert detail["payload"].startswith('{"event":"payment.')
    assert [each["number"] for each in detail["attempt_log"]] == [1, 2]
    assert {each["outcome"] for each in detail["attempt_log"]} == {"unreachable"}
    assert detail["attempt_log"][0]["error"] == "Connection refused"


@pytest.mark.parametrize(
    "delivery_id", ["x", "00000000-0000-0000-0000-000000000000", "1" * 36, "%00", "' OR 1=1"]
)
def test_a_delivery_that_is_none_is_not_found(merchant: Person, delivery_id: str) -> None:
    for answer in (merchant.get(f"/webhooks/{delivery_id}"), merchant.post(f"/webhooks/{delivery_id}/retry")):
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND_ERROR")
        assert answer.json["error"]["description"] == "Webhook log not found"


def test_a_rival_can_neither_see_nor_retry_a_delivery(
    merchant: Person, rival: Person, office: Office
) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay()
    office.deliver()
    delivery_id = merchant.get("/webhooks").json["data"][0]["id"]
    assert rival.get("/webhooks").json["total"] == 0
    assert rival.get(f"/webhooks/{delivery_id}").status_code == 404
    assert rival.post(f"/webhooks/{delivery_id}/retry").status_code == 404
    assert merchant.get(f"/webhooks/{delivery_id}").json["attempts"] == 1
