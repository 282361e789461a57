"""Lists: filters, paging by offset and by place, and the events."""

from typing import Any

import pytest

from gateway.core.db import transaction
from gateway.domain import announcing, listing
from tests.conftest import Office, Person


@pytest.fixture
def busy_day(merchant: Person, rival: Person, office: Office, wait) -> list[str]:
    """Seven orders of the merchant, one of the rival, payments of several kinds; the ids, newest first."""
    orders = []
    for number in range(7):
        order = merchant.order(1000 + number)
        orders.append(order["id"])
        if number % 2:
            merchant.pay(order, vpa="declined@sandbox" if number == 3 else "asha@upi")
        wait(1)
    rival.order()
    wait(2)
    office.settle()
    return orders[::-1]


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json["data"]]


def test_a_list_is_newest_first_and_ones_own(merchant: Person, busy_day) -> None:
    answer = merchant.get("/orders")
    assert ids(answer) == busy_day
    assert {name: answer.json[name] for name in ("total", "limit", "offset", "has_more")} == {
        "total": 7,
        "limit": 10,
        "offset": 0,
        "has_more": False,
    }
    assert answer.json["data"][0] == merchant.get(f"/orders/{busy_day[0]}").json


def test_pages_by_offset_fit_together(merchant: Person, busy_day) -> None:
    pages = [merchant.get(f"/orders?limit=3&offset={offset}") for offset in (0, 3, 6, 9)]
    assert [each for page in pages for each in ids(page)] == busy_day
    assert [page.json["has_more"] for page in pages] == [True, True, False, False]
    assert {page.json["total"] for page in pages} == {7}


def test_pages_by_place_fit_together_whatever_is_added_on_top(merchant: Person, busy_day) -> None:
    seen, after = ids(merchant.get("/orders?limit=2")), ""
    while True:
        after = seen[-1]
        merchant.order()
        answer = merchant.get(f"/orders?limit=2&after={after}")
        seen += ids(answer)
        if not answer.json["has_more"]:
            break
    assert seen == busy_day


@pytest.mark.parametrize("after", ["order_0000000000000000", "x", ""])
def test_a_place_that_is_none_is_refused(merchant: Person, busy_day, after: str) -> None:
    answer = merchant.get(f"/orders?after={after}")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "after")


def test_a_rivals_row_is_no_place_of_mine(merchant: Person, rival: Person, busy_day) -> None:
    theirs = rival.get("/orders").json["data"][0]["id"]
    assert merchant.get(f"/orders?after={theirs}").status_code == 400


def test_filters_narrow_rows_and_total(merchant: Person, busy_day) -> None:
    def count(query: str) -> int:
        answer = merchant.get(query)
        assert len(ids(answer)) == answer.json["total"]
        return int(answer.json["total"])

    assert count("/orders?status=paid") == 2
    assert count("/orders?status=attempted") == 1
    assert count("/payments?status=failed") == 1
    assert count("/payments?status=success&method=upi") == 2
    assert count("/payments?method=card") == 0
    assert count(f"/payments?order_id={busy_day[1]}") == 1
    assert count("/payments?order_id=order_0000000000000000") == 0
    assert count("/refunds") == 0


def test_a_range_of_time_narrows_too(merchant: Person, busy_day) -> None:
    at = merchant.get(f"/orders/{busy_day[3]}").json["created_at"]
    newer = ids(merchant.get(f"/orders?created_from={at}"))
    older = ids(merchant.get(f"/orders?created_to={at}"))
    assert newer + older == busy_day
    assert newer[-1] == busy_day[3]
    with_zone = at.replace("Z", "%2B00:00")
    assert ids(merchant.get(f"/orders?created_from={with_zone}")) == newer


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/orders?status=open", "status"),
        ("/orders?status=", "status"),
        ("/payments?status=paid", "status"),
        ("/payments?method=cash", "method"),
        ("/refunds?status=success", "status"),
        ("/orders?created_from=yesterday", "created_from"),
        ("/orders?created_to=2026-13-01", "created_to"),
        ("/orders?created_to=", "created_to"),
        ("/orders?created_from=0001-01-01T00:00:00%2B23:59", "created_from"),
        ("/payments?order_id=a%00b", "order_id"),
        ("/orders?after=a%00b", "after"),
        ("/orders?after=order_0000000000000000&offset=1", "after"),
        ("/orders?limit=0", "limit"),
        ("/payments?offset=-1", "offset"),
        ("/events?after=-1", "after"),
        ("/events?after=x", "after"),
        ("/events?limit=101", "limit"),
    ],
)
def test_nonsense_in_a_query_is_named(merchant: Person, query: str, field: str) -> None:
    answer = merchant.get(query)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


def test_refunds_are_listed_in_all_and_for_each_payment(
    merchant: Person, busy_day, office: Office, wait
) -> None:
    paid = [row["id"] for row in merchant.get("/payments?status=success").json["data"]]
    made = [merchant.post(f"/payments/{each}/refunds", {"amount": 100}).json["id"] for each in paid]
    assert sorted(ids(merchant.get("/refunds"))) == sorted(made)
    assert ids(merchant.get(f"/payments/{paid[0]}/refunds")) == made[:1]
    assert ids(merchant.get(f"/refunds?payment_id={paid[1]}&status=pending")) == made[1:]
    wait(8)
    office.refund()
    assert len(ids(merchant.get("/refunds?status=processed"))) == 2


def test_a_total_stays_exact_when_most_of_it_is_remembered(merchant: Person, wait, monkeypatch) -> None:
    monkeypatch.setattr(listing, "_FEW", 3)
    monkeypatch.setattr(listing, "_counted", {})
    for count in range(1, 13):
        merchant.order()
        assert merchant.get("/orders?limit=1").json["total"] == count
        wait(20 * count)
    assert listing._counted


def test_events_are_caught_up_in_order_without_a_gap(
    merchant: Person, rival: Person, busy_day, office
) -> None:
    office.deliver()
    seen: list[dict[str, Any]] = []
    while True:
        after = seen[-1]["sequence"] if seen else 0
        answer = merchant.get(f"/events?after={after}&limit=4").json
        seen += answer["data"]
        if not answer["has_more"]:
            break
    assert [each["sequence"] for each in seen] == list(range(1, 3 * 2 + 2 * 2 + 1 + 1))
    assert all(each["payload"].startswith(f'{{"event":"{each["event"]}"') for each in seen)
    one = merchant.get(f"/events/{seen[0]['id']}")
    assert one.json == seen[0]
    assert rival.get(f"/events/{seen[0]['id']}").status_code == 404
    assert rival.get("/events").json["data"] == []


def test_an_event_without_its_place_is_not_shown_yet(merchant: Person, rows, office: Office) -> None:
    merchant.pay()
    with transaction():
        announcing.announce_new()
    waiting = rows("SELECT id FROM events")[0]["id"]
    assert merchant.get("/events").json["data"] == []
    assert merchant.get(f"/events/{waiting}").status_code == 404
    office.deliver()
    assert merchant.get(f"/events/{waiting}").status_code == 200


def test_the_webhook_log_pages_by_place_too(merchant: Person, office: Office) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay()
    office.deliver()
    first, second = ids(merchant.get("/webhooks"))
    assert ids(merchant.get(f"/webhooks?after={first}")) == [second]
    assert merchant.get("/webhooks?after=x").json["error"]["field"] == "after"
