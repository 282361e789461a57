"""The door: who comes in, who stays out, and how little it tells about why."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from gateway.app import create_app
from gateway.core import crypto
from gateway.core.config import Config
from gateway.core.db import session, transaction
from gateway.core.errors import Unavailable
from gateway.domain import sessions
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.domain.sessions import LIFETIME
from gateway.web import ratelimit
from tests.dashboard.conftest import PASSWORD, Visit, hire, visit_of

Rows = Callable[..., list[dict[str, Any]]]

EMAIL = "asha@example.com"


@pytest.fixture(autouse=True)
def asha(config: Config) -> None:
    """Somebody who has a password: PASSWORD."""
    hire(SEEDED_MERCHANT_ID, EMAIL, "owner")


def csrf_token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
    assert found is not None
    return found[1]


def sign_in(
    client: FlaskClient, email: str = EMAIL, password: str = PASSWORD, wanted: str | None = None
) -> TestResponse:
    fields = {"csrf_token": csrf_token(client), "email": email, "password": password}
    return client.post("/login", data=fields, query_string={} if wanted is None else {"next": wanted})


def execute(sql: str) -> None:
    with transaction():
        session().execute(text(sql))


# In


def test_a_right_password_leads_home(visitor: FlaskClient, rows: Rows) -> None:
    answer = sign_in(visitor, "  ASHA@example.com ")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
    assert "asha@example.com, owner" in visitor.get("/dashboard").text
    assert [row["act"] for row in rows("SELECT act FROM audit_log")] == ["user.signed_in"]
    assert visitor.get("/login").headers["Location"] == "/dashboard"
    assert visitor.get("/").headers["Location"] == "/dashboard"


def test_the_cookie_is_for_our_server_only(visitor: FlaskClient) -> None:
    flags = sign_in(visitor).headers["Set-Cookie"]
    assert flags.startswith("gateway_session=")
    assert "HttpOnly" in flags and "SameSite=Lax" in flags and "Path=/" in flags
    assert "Secure" not in flags and "Domain" not in flags


def test_behind_https_the_cookie_travels_no_other_way(config: Config) -> None:
    client = create_app(replace(config, public_url="https://pay.example")).test_client()
    assert "Secure" in client.get("/login", base_url="https://pay.example").headers["Set-Cookie"]


def test_the_cookie_holds_neither_password_nor_what_the_table_holds(visitor: FlaskClient, rows: Rows) -> None:
    sign_in(visitor)
    with visitor.session_transaction() as cookie:
        token = cookie["_user_id"]
    (row,) = rows("SELECT token_hash FROM user_sessions")
    assert token != row["token_hash"]
    assert crypto.keyed_hash("session", token.encode()) == row["token_hash"]


def test_a_session_somebody_else_prepared_is_left_behind(visitor: FlaskClient) -> None:
    with visitor.session_transaction() as cookie:
        cookie["_user_id"] = "a token that an attacker knows"
        cookie["planted"] = "yes"
    sign_in(visitor)
    with visitor.session_transaction() as cookie:
        assert cookie["_user_id"] != "a token that an attacker knows"
        assert "planted" not in cookie


def test_signing_in_again_ends_the_session_before(app: Flask, visit: Visit, rows: Rows) -> None:
    token = visit.csrf_token()
    visit.client.post("/login", data={"csrf_token": token, "email": EMAIL, "password": PASSWORD})
    assert "asha@example.com, owner" in visit.get("/dashboard").text
    ended = rows("SELECT id FROM user_sessions WHERE ended_at IS NOT NULL")
    assert [str(row["id"]) for row in ended] == [visit.person.session_id]


# Not in


def test_unknown_address_and_wrong_password_are_one_answer_and_one_work(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    verify = crypto.verify_password

    def note(password: str, phc: str) -> bool:
        checked.append(phc.rsplit("$", 2)[0])
        return verify(password, phc)

    monkeypatch.setattr(crypto, "verify_password", note)
    answers = [sign_in(visitor, email, "wrong") for email in (EMAIL, "nobody@example.com", "", "a\0@b")]
    assert {answer.status_code for answer in answers} == {401}
    bodies = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert len(bodies) == 1
    # As often, and with the same memory and passes.
    assert len(checked) == 4 and len(set(checked)) == 1


def test_a_password_too_long_to_be_one_is_not_even_hashed(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto, "verify_password", lambda *_: pytest.fail("hashed"))
    assert sign_in(visitor, EMAIL, "x" * 201).status_code == 401


@pytest.mark.parametrize(
    "change", ["UPDATE users SET is_active = false", "UPDATE merchants SET is_active = false"]
)
def test_who_is_not_active_reads_the_same_as_a_stranger(visitor: FlaskClient, change: str) -> None:
    stranger = sign_in(visitor, "nobody@example.com")
    execute(change)
    answer = sign_in(visitor)
    assert answer.status_code == stranger.status_code == 401
    assert "E-mail or password is wrong" in answer.text
    assert visitor.get("/dashboard").status_code == 303


@pytest.mark.parametrize(
    "change", ["UPDATE users SET is_active = false", "UPDATE merchants SET is_active = false"]
)
def test_who_is_let_go_is_out_with_the_next_click(app: Flask, change: str) -> None:
    visit = visit_of(app, EMAIL)
    assert visit.get("/dashboard").status_code == 200
    execute(change)
    assert visit.get("/dashboard").status_code == 303


def test_what_was_typed_is_kept_but_for_the_password(visitor: FlaskClient) -> None:
    page = sign_in(visitor, '"><script>@example.com', "hunter2 hunter2").text
    assert 'value="&#34;&gt;&lt;script&gt;@example.com"' in page
    assert "hunter2" not in page


@pytest.mark.usefixtures("one_minute")
def test_one_account_is_not_guessed_at_for_long(visitor: FlaskClient) -> None:
    answers = [sign_in(visitor, EMAIL, f"guess {number}") for number in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61
    # Not even with the right one; and another way to write the address is the same address.
    assert sign_in(visitor, " ASHA@EXAMPLE.COM").status_code == 429
    ratelimit.forget()
    assert sign_in(visitor).status_code == 303


@pytest.mark.usefixtures("one_minute")
def test_one_sender_does_not_try_many_accounts(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "verify_password", lambda *_: False)
    codes = [sign_in(visitor, f"{number}@example.com").status_code for number in range(31)]
    assert codes == [401] * 30 + [429]


def test_no_password_is_ever_logged(visitor: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in(visitor, EMAIL, "not the right one")
    sign_in(visitor)
    assert "not the right one" not in caplog.text and PASSWORD not in caplog.text


# Forged and stale


@pytest.mark.parametrize("path", ["/login", "/logout", "/signup", "/dashboard/settings/keys"])
def test_a_form_without_our_token_is_refused(visit: Visit, rows: Rows, path: str) -> None:
    for fields in ({}, {"csrf_token": "forged"}, {"csrf_token": ""}):
        answer = visit.client.post(path, data={"email": EMAIL, "password": PASSWORD, **fields})
        assert answer.status_code == 400
        assert "This form is too old" in answer.text
    assert visit.get("/dashboard").status_code == 200
    assert len(rows("SELECT id FROM api_keys WHERE key LIKE 'key_test%'")) == 1


def test_the_token_of_another_browser_is_no_token(app: Flask, visitor: FlaskClient) -> None:
    stolen = csrf_token(app.test_client())
    visitor.get("/login")
    fields = {"csrf_token": stolen, "email": EMAIL, "password": PASSWORD}
    assert visitor.post("/login", data=fields).status_code == 400


# Where to, afterwards


@pytest.mark.parametrize(
    "wanted",
    ["/dashboard", "/dashboard/settings/keys", "/dashboard?period=7d", "/dashboard/transactions?q=a%20b"],
)
def test_it_leads_where_somebody_wanted_to_go(visitor: FlaskClient, wanted: str) -> None:
    assert sign_in(visitor, wanted=wanted).headers["Location"] == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/dashboard",
        "//evil.example/dashboard",
        "///evil.example/dashboard",
        "/\\evil.example/dashboard",
        "\\\\evil.example/dashboard",
        "/dashboard\\..\\..\\evil",
        "/dashboard\r\nLocation: https://evil.example",
        "\t//evil.example/dashboard",
        " //evil.example/dashboard",
        "javascript:/dashboard",
        "data:text/html,/dashboard",
        "http:/dashboard",
        "//[",
        "/api/v1/orders",
        "/logout",
        "",
        "dashboard",
    ],
)
def test_it_leads_nowhere_but_to_our_own_pages(visitor: FlaskClient, wanted: str) -> None:
    answer = sign_in(visitor, wanted=wanted)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")


def test_a_signed_out_page_leads_back_to_itself(visitor: FlaskClient) -> None:
    sent = visitor.get("/dashboard?period=7d").headers["Location"]
    token = csrf_token(visitor)
    answer = visitor.post(sent, data={"csrf_token": token, "email": EMAIL, "password": PASSWORD})
    assert answer.headers["Location"] == "/dashboard?period=7d"


def test_a_form_of_a_signed_out_page_is_not_repeated_by_signing_in(app: Flask) -> None:
    visit = visit_of(app, EMAIL)
    token = visit.csrf_token()
    execute("UPDATE user_sessions SET ended_at = created_at")
    answer = visit.client.post("/dashboard/settings/keys", data={"csrf_token": token})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


def test_a_poll_that_was_signed_out_takes_its_whole_page_away(app: Flask, visitor: FlaskClient) -> None:
    visit = visit_of(app, EMAIL)
    execute("UPDATE user_sessions SET ended_at = created_at")
    for client in (visitor, visit.client):
        poll = client.get("/dashboard/numbers", headers={"HX-Request": "true"})
        assert (poll.status_code, poll.data) == (401, b"")
        assert poll.headers["HX-Redirect"] == "/login"


def test_whoever_signs_in_again_is_back_on_the_page_that_was_open(visitor: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/dashboard/webhooks?status=failed"}
    poll = visitor.get("/dashboard/numbers", headers=headers)
    assert poll.headers["HX-Redirect"] == "/login?next=/dashboard/webhooks?status%3Dfailed"
    link = visitor.get("/dashboard/orders", headers={"HX-Request": "true", "HX-Request-Type": "full"})
    assert (link.status_code, link.headers["HX-Redirect"]) == (401, "/login?next=/dashboard/orders")
    for nonsense in ("http://[", "", "https://evil.example//evil.example"):
        poll = visitor.get("/dashboard/numbers", headers=headers | {"HX-Current-URL": nonsense})
        assert poll.status_code == 401
        assert sign_in(visitor, wanted=poll.headers["HX-Redirect"][12:]).headers["Location"] == "/dashboard"
        visitor.delete_cookie("gateway_session")


# Out


def test_signing_out_ends_the_session_wherever_its_cookie_was_copied(app: Flask, rows: Rows) -> None:
    visit = visit_of(app, EMAIL)
    cookie = visit.client.get_cookie("gateway_session")
    assert cookie is not None
    answer = visit.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert "You are signed out." in visit.get("/login").text
    thief = app.test_client()
    thief.set_cookie("gateway_session", cookie.value)
    assert thief.get("/dashboard").status_code == 303
    assert rows("SELECT ended_at FROM user_sessions")[0]["ended_at"] is not None


def test_a_session_ends_by_itself_after_its_lifetime(app: Flask, wait: Callable[[float], None]) -> None:
    visit = visit_of(app, EMAIL)
    wait(LIFETIME.total_seconds() - 60)
    assert visit.get("/dashboard").status_code == 200
    wait(120)
    assert visit.get("/dashboard").status_code == 303


def test_a_cookie_nobody_gave_out_is_nobody(app: Flask) -> None:
    for token in ("", "nonsense", "\ud800", "x" * 4000, "' OR 1=1 --"):
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
        assert client.get("/dashboard").status_code == 303
    forged = app.test_client()
    forged.set_cookie("gateway_session", "eyJfdXNlcl9pZCI6IngifQ.aaaaaa.bbbbbb")
    assert forged.get("/dashboard").status_code == 303


def test_a_password_changed_meanwhile_lets_nobody_in_with_the_old_one(
    app: Flask, visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash takes its time: what was right when it began may be wrong when it ends."""
    verify = crypto.verify_password

    def verify_slowly(password: str, phc: str) -> bool:
        is_right = verify(password, phc)
        execute("UPDATE users SET password_hash = 'another' WHERE email = 'asha@example.com'")
        return is_right

    monkeypatch.setattr(crypto, "verify_password", verify_slowly)
    assert sign_in(visitor).status_code == 401
    assert visitor.get("/dashboard").status_code == 303


def test_a_stamp_is_written_once_a_minute(app: Flask, rows: Rows, wait: Callable[[float], None]) -> None:
    visit = visit_of(app, EMAIL)
    seen = []
    for ahead_s in (10, 20, 40, 1):
        wait(ahead_s)
        visit.get("/dashboard/settings")
        seen.append(str(rows("SELECT last_seen_at FROM user_sessions")[0]["last_seen_at"]))
    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_while_the_database_is_away_every_page_says_so(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = visit_of(app, EMAIL)

    def nobody_answers(_token: str) -> None:
        raise Unavailable("The database is away", retry_after=2)

    monkeypatch.setattr(sessions, "find", nobody_answers)
    for path in ("/", "/login", "/dashboard", "/dashboard/numbers"):
        answer = visit.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "The database is away" in answer.text
