"""Opening an account: off by default; where it is on, it ends with keys in hand."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.app import create_app
from gateway.core.config import Config
from tests.conftest import Person

Rows = Callable[..., list[dict[str, Any]]]
FORM = {"name": "Chai & Co", "email": "New@Chai.example", "password": "correct horse battery"}


@pytest.fixture
def newcomer(config: Config) -> FlaskClient:
    """Somebody at a gateway that lets anybody open an account."""
    return create_app(replace(config, allow_signup=True)).test_client()


def send(client: FlaskClient, **changes: str) -> TestResponse:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/signup").text)
    assert token is not None
    return client.post("/signup", data={"csrf_token": token[1], **FORM, **changes})


def shown(page: str, test_id: str) -> str:
    return page.split(f'data-test-id="{test_id}"')[1].split(">", 1)[1].split("<")[0].strip()


def test_it_is_off_unless_somebody_turned_it_on(visitor: FlaskClient, rows: Rows) -> None:
    assert visitor.get("/signup").status_code == 404
    assert "/signup" not in visitor.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get("/login").text)
    assert token is not None
    assert visitor.post("/signup", data={"csrf_token": token[1], **FORM}).status_code == 404
    assert len(rows("SELECT id FROM merchants")) == 2


def test_it_ends_signed_in_with_keys_in_hand(newcomer: FlaskClient, rows: Rows) -> None:
    assert 'href="/signup"' in newcomer.get("/login").text
    answer = send(newcomer)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    key, secret = shown(answer.text, "api-key"), shown(answer.text, "api-secret")
    assert f"X-Api-Key: {key}" in answer.text and f"X-Api-Secret: {secret}" in answer.text
    home = newcomer.get("/dashboard")
    assert home.status_code == 200 and "Chai &amp; Co" in home.text and key in home.text
    (merchant,) = rows("SELECT id, email FROM merchants WHERE name = 'Chai & Co'")
    assert merchant["email"] == "new@chai.example"
    api = Person(newcomer.application.test_client(), str(merchant["id"]), key, secret)
    order = api.order(50_000)
    assert order["merchant_id"] == str(merchant["id"])
    acts = rows("SELECT act FROM audit_log ORDER BY act")
    assert [row["act"] for row in acts] == ["key.created", "merchant.signed_up"]
    assert newcomer.get("/signup").headers["Location"] == "/dashboard"


def test_it_ends_the_session_that_the_browser_was_in(newcomer: FlaskClient, rows: Rows) -> None:
    send(newcomer)
    token = re.search(r'name="csrf_token" value="([^"]+)"', newcomer.get("/dashboard/settings").text)
    assert token is not None
    other = FORM | {"email": "other@chai.example", "csrf_token": token[1]}
    assert newcomer.post("/signup", data=other).status_code == 201
    first, second = rows("SELECT ended_at FROM user_sessions ORDER BY created_at")
    assert first["ended_at"] is not None and second["ended_at"] is None
    assert "other@chai.example" in newcomer.get("/dashboard").text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\x1bb"}, "name"),
        ({"name": "a\x9bb"}, "name"),
        ({"email": "nonsense"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": "test@example.com"}, "email"),
        ({"email": "TEST@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 201}, "password"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    newcomer: FlaskClient, rows: Rows, change: dict[str, str], field: str
) -> None:
    answer = send(newcomer, **change)
    assert answer.status_code == 400
    assert f'data-test-id="{field}-error"' in answer.text
    assert FORM["password"] not in answer.text
    assert re.findall(r'<input[^>]* id="(\w+)"[^>]* autofocus', answer.text) == [field]
    if field != "name":
        assert 'value="Chai &amp; Co"' in answer.text
    assert len(rows("SELECT id FROM merchants")) == 2
    assert newcomer.get("/dashboard").status_code == 303


@pytest.mark.usefixtures("one_minute")
def test_it_is_throttled(newcomer: FlaskClient) -> None:
    codes = [send(newcomer, password="short") for _ in range(11)]
    assert [answer.status_code for answer in codes] == [400] * 10 + [429]
    assert int(codes[-1].headers["Retry-After"]) >= 1


def test_production_says_that_the_secret_is_shown_once(
    newcomer: FlaskClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Config, "is_sandbox", False)
    page = send(newcomer).text
    assert shown(page, "api-key").startswith("key_live_")
    assert "shown this once" in page
    assert "secret_live_" not in newcomer.get("/dashboard").text
    assert rows("SELECT secret_encrypted FROM api_keys WHERE key LIKE 'key_live%'") == [
        {"secret_encrypted": None}
    ]
