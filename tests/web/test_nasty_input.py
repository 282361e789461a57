"""What somebody writes into an address or a form is taken, left out or refused; it never breaks a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask, Request
from flask.testing import FlaskClient
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from gateway.web import ratelimit
from gateway.web.requests import MAX_BODY_BYTES
from tests.conftest import Office, Person
from tests.dashboard.conftest import visit_of

FACES = ("dashboard.", "checkout.", "assets.")

# As bytes of an address: U+0000, bytes that are no UTF-8, half a character, …
NASTY = (
    b"",
    b"\xff\xfe\xed\xa0\x80%",
    b"x" * 5_000,
    b"9" * 5_000,
    b"-1",
    b"1e999",
    "\u0661\u00b2".encode(),
    b"\r\nX-Evil: 1",
    b"//[",
    b"\"'><script>alert(1)</script>{{ 7 * 7 }}",
    b"0001-01-01",
    b"9999-12-31",
)
# Each field by itself, because the first that is refused hides the others.
NASTIEST = (b"a\0b", b"9" * 40, b"\xed\xa0\x80")


class Noted(ImmutableMultiDict[str, str]):
    """Fields that remember by which names they were asked for."""

    names: set[str] = set()

    def get(self, key: str, *more: Any, **types: Any) -> Any:
        self.names.add(key)
        return super().get(key, *more, **types)

    def getlist(self, key: str, *more: Any, **types: Any) -> Any:
        self.names.add(key)
        return super().getlist(key, *more, **types)

    def __getitem__(self, key: str) -> str:
        self.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)


@dataclass
class Attacker:
    """Somebody who is signed in, knows every address, and writes what nobody should."""

    app: Flask
    client: FlaskClient
    csrf_token: str
    known: Mapping[str, str]

    def rules(self, method: str) -> Iterator[Rule]:
        left_out = ("dashboard.sign_out", "dashboard.nowhere", "checkout.nowhere")
        for rule in self.app.url_map.iter_rules():
            is_ours = rule.endpoint.startswith(FACES) and rule.endpoint not in left_out
            if is_ours and method in (rule.methods or ()):
                yield rule

    def path(self, rule: Rule, **given: str) -> str:
        values = {name: self.known.get(name, "x") for name in rule.arguments} | given
        built = rule.build(values, append_unknown=False)
        assert built is not None
        return str(built[1])

    def ask(self, path: str, fields: Mapping[str, bytes] | None = None, **more: Any) -> TestResponse:
        return self.client.get(f"{path}?{urlencode(dict(fields or {}), quote_via=quote)}", **more)

    def send(self, path: str, fields: Mapping[str, bytes] | None = None, **more: Any) -> TestResponse:
        body = urlencode({"csrf_token": self.csrf_token, **(fields or {})}, quote_via=quote)
        return self.client.post(path, data=body, content_type="application/x-www-form-urlencoded", **more)


# What a page looks for only where another field says so.
MORE = {
    "checkout.pay": ("number", "cvv"),
    "dashboard.save_webhooks": ("events",),
    "dashboard.refund_payment": ("form_id", "reason"),
}
# Should the looking find less than these, it looks in vain.
LOOKED_AT = {
    "GET": {"dashboard.transactions", "dashboard.webhook_log", "dashboard.audit_log", "checkout.show"},
    "POST": {"dashboard.sign_in", "dashboard.create_order", "dashboard.save_webhooks", "checkout.pay"},
}


@pytest.fixture
def attacker(app: Flask, merchant: Person, office: Office, monkeypatch: pytest.MonkeyPatch) -> Attacker:
    monkeypatch.setattr(Request, "parameter_storage_class", Noted)
    monkeypatch.setattr(ratelimit.Limit, "count", lambda *_: None)
    visit = visit_of(app, app.config["GATEWAY"].test_merchant_email)
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/hook"})
    payment = merchant.pay(merchant.order())
    office.deliver()
    deliveries = merchant.get("/webhooks").json
    assert deliveries is not None
    known = {
        "order_id": payment["order_id"],
        "payment_id": payment["id"],
        "delivery_id": deliveries["data"][0]["id"],
        "version": "1",
        "name": "dashboard.css",
        "act": "activate",
        "_form": "name",
    }
    return Attacker(app, visit.client, visit.csrf_token(), known)


def names_of(attacker: Attacker, method: str) -> Iterator[tuple[Rule, list[str]]]:
    """Each address that takes this method and looks for fields, and which."""
    ask = attacker.ask if method == "GET" else attacker.send
    for rule in attacker.rules(method):
        names = set[str](MORE.get(rule.endpoint, ()))
        while True:
            Noted.names = set()
            ask(attacker.path(rule), {name: attacker.known.get(name, "1").encode() for name in names})
            if Noted.names <= names | {"csrf_token"}:
                break
            names |= Noted.names - {"csrf_token"}
        if names:
            yield rule, sorted(names)


def hold(answer: TestResponse, *said: object) -> None:
    """No page breaks, no header is smuggled in, and nothing that was written runs."""
    assert answer.status_code < 500, (said, answer.status_code)
    assert "X-Evil" not in answer.headers, said
    if answer.mimetype == "text/html":
        assert b"<script>alert" not in answer.data, said


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_field_breaks_a_page(attacker: Attacker, method: str) -> None:
    ask = attacker.ask if method == "GET" else attacker.send
    asked = set()
    for rule, names in list(names_of(attacker, method)):
        asked.add(rule.endpoint)
        path = attacker.path(rule)
        known = {name: attacker.known[name].encode() for name in names if name in attacker.known}
        for nasty in NASTY:
            hold(ask(path, dict.fromkeys(names, nasty) | known), rule, nasty[:20])
        for name in names:
            for nasty in NASTIEST:
                hold(ask(path, known | {name: nasty}), rule, name, nasty[:20])
    assert asked >= LOOKED_AT[method]


def test_no_id_in_an_address_breaks_a_page(attacker: Attacker) -> None:
    for method, ask in (("GET", attacker.ask), ("POST", attacker.send)):
        for rule in attacker.rules(method):
            for name in rule.arguments - {"act", "_form"}:
                for nasty in (
                    "\0",
                    "a\0b",
                    "\xff",
                    "x" * 5_000,
                    "<script>alert(1)</script>",
                    "\r\nX-Evil: 1",
                ):
                    hold(ask(attacker.path(rule, **{name: nasty})), rule, name, nasty[:20])


def test_no_header_breaks_a_page(attacker: Attacker) -> None:
    headers = ("HX-Current-URL", "Referer", "Accept-Language", "User-Agent", "If-None-Match", "Origin")
    stranger = attacker.app.test_client()
    for nasty in ("", "\0", "\xff\xfe", "//[", "http://localhost//[", "x" * 3_000, "http://[::", ";q=9e999"):
        given = dict.fromkeys(headers, nasty) | {"HX-Request": "true"}
        for client in (attacker.client, stranger):
            for path in ("/", "/login", "/dashboard", "/dashboard/jobs/live", "/checkout?order_id=x"):
                hold(client.get(path, headers=given), path, nasty[:20])
            hold(client.post("/dashboard/webhooks/x/retry", headers=given), nasty[:20])
        hold(attacker.send("/dashboard/webhooks/x/retry", headers=given), nasty[:20])
        stranger.set_cookie("gateway_session", nasty.replace("\0", "0"))


def test_no_body_breaks_a_page(attacker: Attacker) -> None:
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="order_id"'
    bodies = (
        (b"order_id=" + b"x" * (MAX_BODY_BYTES + 1), form),
        (b"a=1&" * 5_000, form),
        (b"--b\r\n", parts),
        (part + b"\r\n\r\n\xff\0\r\n--b--", parts),
        (part + b'; filename="x"\r\n\r\nx\r\n--b--', parts),
        ((part + b"\r\n\r\n\r\n") * 1_500, parts),
        (b"x", "multipart/form-data"),
        (b"[1]", "application/json"),
    )
    for rule in attacker.rules("POST"):
        for body, content_type in bodies:
            answer = attacker.client.post(
                attacker.path(rule),
                data=body,
                content_type=content_type,
                headers={"X-CSRFToken": attacker.csrf_token},
            )
            hold(answer, rule, content_type, body[:80])
