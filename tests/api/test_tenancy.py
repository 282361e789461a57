"""What belongs to one merchant is not there for another: every route, taken from the URL map."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from gateway import api
from gateway.core.config import Config
from gateway.models import Base
from tests.conftest import Office, Person

# For each route that changes something: a body that its owner could send.
BODIES: dict[str, Any] = {
    "/payments/<payment_id>/capture": {"amount": 50000},
    "/payments/<payment_id>/refunds": {"amount": 100},
    "/webhooks/<delivery_id>/retry": None,
}
# What anybody with the id may see, because the payer's browser has to.
PUBLIC = {"/orders/<order_id>/public", "/payments/<payment_id>/public"}
# What the sandbox tells anybody, by contract.
SANDBOX = {"/test/merchant"}


def routes() -> list[tuple[str, str]]:
    """Method and rule of everything under /api/v1."""
    app = Flask("map", static_folder=None)
    app.config["GATEWAY"] = Config()
    api.init_app(app)
    return [
        (method, rule.rule.removeprefix("/api/v1"))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


ROUTES = routes()
ID_ROUTES = [(method, rule) for method, rule in ROUTES if "<" in rule and rule not in PUBLIC]
LISTS = [rule for method, rule in ROUTES if method == "GET" and "<" not in rule and rule not in SANDBOX]


@pytest.fixture
def belongings(merchant: Person, rival: Person, office: Office, wait) -> dict[str, str]:
    """One thing of the merchant for each variable in a rule; the rival has things of their own."""
    for person in (rival, merchant):
        person.put("/webhooks/config", {"webhook_url": f"http://127.0.0.1:9/{person.key}"})
        order = person.order(50000, receipt=f"receipt of {person.key}")
        payment = person.pay(order, vpa=f"{person.key.replace('_', '.')}@upi")
    wait(2)
    office.settle()
    body = {"amount": 1, "reason": "merchant's own"}
    refund = merchant.post(f"/payments/{payment['id']}/refunds", body).json
    office.deliver()
    return {
        "order_id": order["id"],
        "payment_id": payment["id"],
        "refund_id": refund["id"],
        "delivery_id": merchant.get("/webhooks").json["data"][0]["id"],
        "event_id": merchant.get("/events").json["data"][0]["id"],
    }


@pytest.fixture
def everything(rows) -> Callable[[], dict[str, list[str]]]:
    """Every row of every table, but for the stamps of when a key was last used."""

    def look() -> dict[str, list[str]]:
        found = {table.name: rows(f"SELECT * FROM {table.name}") for table in Base.metadata.sorted_tables}
        for row in found["api_keys"]:
            del row["last_used_at"]
        return {name: sorted(map(str, held)) for name, held in found.items()}

    return look


def fill(rule: str, belongings: dict[str, str]) -> str:
    """The rule with the merchant's ids in it; fails for a variable that `belongings` does not know."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda variable: belongings[variable[1]], rule)


@pytest.mark.parametrize(("method", "rule"), ID_ROUTES)
def test_a_rival_with_the_real_ids_finds_nothing_and_changes_nothing(
    merchant: Person, rival: Person, belongings, everything, method: str, rule: str
) -> None:
    path = fill(rule, belongings)
    body = None if method == "GET" else BODIES[rule]
    before = everything()
    answer = rival.ask(method, path, json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND_ERROR")
    assert everything() == before
    assert merchant.ask(method, path, json=body).status_code in (200, 201), "no request could have passed"


@pytest.mark.parametrize("rule", LISTS)
def test_what_a_rival_may_list_shows_nothing_of_the_merchants(
    merchant: Person, rival: Person, belongings, rule: str
) -> None:
    answer = rival.get(rule)
    assert answer.status_code == 200
    for own in (*belongings.values(), merchant.merchant_id, merchant.key, "key.test", "merchant's own"):
        assert own not in answer.text


def test_the_merchants_own_lists_show_all_of_it(merchant: Person, belongings) -> None:
    seen = "".join(merchant.get(rule).text for rule in LISTS)
    assert all(each in seen for each in belongings.values())
    assert "merchant's own" in seen and "key.test" in seen


def test_totals_and_balances_count_ones_own_rows_only(merchant: Person, rival: Person, belongings) -> None:
    expected = {"/orders": (1, 1), "/payments": (1, 1), "/refunds": (1, 0), "/webhooks": (5, 4)}
    for rule, totals in expected.items():
        assert (merchant.get(rule).json["total"], rival.get(rule).json["total"]) == totals, rule
    reserved = [person.get("/balance").json["data"][0]["refunds_reserved"] for person in (merchant, rival)]
    assert reserved == [1, 0]


def test_naming_the_merchants_ids_elsewhere_helps_nobody(rival: Person, belongings, everything) -> None:
    before = everything()
    payment = {"order_id": belongings["order_id"], "method": "upi", "vpa": "rival@upi"}
    assert rival.post("/payments", payment).status_code == 404
    assert rival.post("/payments", payment, headers={"Idempotency-Key": "k"}).status_code == 404
    assert rival.get(f"/payments?order_id={belongings['order_id']}").json["data"] == []
    assert rival.get(f"/refunds?payment_id={belongings['payment_id']}").json["data"] == []
    for rule in ("order", "payment", "refund"):
        assert rival.get(f"/{rule}s?after={belongings[f'{rule}_id']}").status_code == 400
    assert rival.get(f"/webhooks?after={belongings['delivery_id']}").status_code == 400
    assert everything() == before


def test_the_routes_are_all_there() -> None:
    """Should the URL map ever come back empty, nothing above would have been asked."""
    assert len(ID_ROUTES) >= 9
    assert len(LISTS) >= 7
    assert {rule for _, rule in ROUTES} >= PUBLIC
