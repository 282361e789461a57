"""Every address of the dashboard, those of tomorrow included: who gets in, and what they may see and do."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gateway.core.db import session, transaction
from gateway.models import Base
from tests.conftest import Office, Person
from tests.dashboard.conftest import Visit

OPEN = {"root", "login", "sign_in", "sign_up", "open_account", "sign_out", "old_webhooks", "old_docs"}
# What everybody may do with their own account.
OWN = {"change_password", "end_other_sessions"}
SECRETS = ("secret_test_xyz789", "whsec_test_abc123")

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def addresses(app: Flask, merchant: Person, office: Office) -> Callable[[str], Iterator[tuple[str, str]]]:
    """The name and path of each page that takes this method, with ids of the test merchant's."""
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/hook"})
    payment = merchant.pay(merchant.order())
    office.deliver()
    known = {
        "order_id": payment["order_id"],
        "payment_id": payment["id"],
        "delivery_id": merchant.get("/webhooks").json["data"][0]["id"],
        "act": "activate",
        "_form": "name",
    }

    def addresses(method: str) -> Iterator[tuple[str, str]]:
        for rule in app.url_map.iter_rules():
            blueprint, _, name = rule.endpoint.rpartition(".")
            if blueprint == "dashboard" and method in rule.methods and name != "nowhere":
                values = {argument: known.get(argument, merchant.merchant_id) for argument in rule.arguments}
                yield name, rule.build(values, append_unknown=False)[1]

    return addresses


def everything(rows: Rows) -> dict[str, list[Any]]:
    """What is in the database, but for the times at which somebody was last seen."""
    left_out = ("user_sessions", "workers")
    found = {
        table.name: rows(f"SELECT * FROM {table.name}")
        for table in Base.metadata.sorted_tables
        if table.name not in left_out
    }
    for user in found["users"]:
        user["last_seen_at"] = None
    return {name: sorted(map(str, table)) for name, table in found.items()}


def test_a_stranger_is_sent_to_the_login(addresses: Any, visitor: FlaskClient) -> None:
    closed = [path for name, path in addresses("GET") if name not in OPEN]
    assert len(closed) > 25
    for path in closed:
        assert visitor.get(path).headers["Location"].startswith("/login"), path
        answer = visitor.get(path, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.text) == (401, ""), path


def test_a_forged_form_does_nothing(addresses: Any, visit: Visit, rows: Rows) -> None:
    before = everything(rows)
    for name, path in addresses("POST"):
        for token in ({}, {"csrf_token": "forged"}):
            answer = visit.client.post(path, data={"confirmed": "yes", **token})
            assert answer.status_code == 400, (name, answer.status_code)
    assert everything(rows) == before


def test_a_viewer_sees_no_secret_anywhere(addresses: Any, viewer: Visit, visit: Visit) -> None:
    paths = [path for name, path in addresses("GET") if name not in OPEN]
    for path in paths:
        seen = viewer.get(path).text
        assert not [secret for secret in SECRETS if secret in seen], path
    shown = "".join(visit.get(path).text for path in paths)
    assert all(secret in shown for secret in SECRETS)


def test_a_viewer_changes_nothing(addresses: Any, viewer: Visit, rows: Rows) -> None:
    token, before = viewer.csrf_token(), everything(rows)
    for name, path in addresses("POST"):
        if name not in OPEN | OWN:
            fields = {"csrf_token": token, "confirmed": "yes", "name": "x", "role": "owner", "all": "yes"}
            assert viewer.client.post(path, data=fields).status_code == 403, name
    assert everything(rows) == before


def test_a_rival_finds_nothing_by_an_id(addresses: Any, rival_visit: Visit) -> None:
    found = [
        path
        for _, path in addresses("GET")
        if re.search(r"/(pay|order)_\w{16}|/webhooks/[0-9a-f-]{36}", path)
    ]
    assert len(found) == 7
    for path in found:
        assert rival_visit.get(path).status_code == 404, path


EVIL = "\"'><script>alert(1)</script>{{ 7 * 7 }}<b>"
# Texts that somebody outside may have written, by table.
TEXTS = {
    "merchants": ("name",),
    "users": ("email",),
    "user_sessions": ("agent",),
    "orders": ("receipt", "notes"),
    "payments": ("vpa", "error_description", "flagged"),
    "refunds": ("reason", "error_description", "flagged"),
    "webhook_endpoints": ("url", "disabled_reason"),
    "webhook_logs": ("response_body",),
    "delivery_attempts": ("error",),
    "audit_log": ("actor", "subject"),
}


def test_what_others_wrote_is_text_on_every_page(
    addresses: Any, visit: Visit, merchant: Person, settle: Callable[[], None], visitor: FlaskClient
) -> None:
    paths = [path for name, path in addresses("GET") if name != "export_transactions"]
    settle()
    payment_id = next(path for path in paths if "/pay_" in path).split("/")[3]
    merchant.post(f"/payments/{payment_id}/refunds", {"amount": 100})
    order_id = merchant.payment(payment_id)["order_id"]
    with transaction():
        for table, columns in TEXTS.items():
            for name in columns:
                value = json.dumps({EVIL: EVIL}) if name == "notes" else EVIL + table[0]
                session().execute(text(f"UPDATE {table} SET {name} = :value"), {"value": value})
    delivery_id = merchant.get("/webhooks").json["data"][0]["id"]
    seen = [visit.get(path).text for path in [*paths, f"/dashboard/webhooks?open={delivery_id}"]]
    seen += [visitor.get("/checkout", query_string={"order_id": order_id, "payment_id": payment_id}).text]
    assert not [page for page in seen if "<script>alert" in page or "}}<b>" in page]
    assert sum("&lt;script&gt;alert" in page for page in seen) > 15
