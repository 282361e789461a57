"""Settings: who may change what, and that it is changed."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from gateway.core.db import session, transaction
from gateway.domain import audit, merchants
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.models import User
from tests.conftest import RIVAL_ID, Person
from tests.dashboard.conftest import PASSWORD, Visit, hire, visit_of

Rows = Callable[..., list[dict[str, Any]]]

PAGES = ("", "/people", "/keys", "/checkout", "/audit")


def acts(rows: Rows) -> list[tuple[str, str, str | None]]:
    found = rows("SELECT actor, act, subject FROM audit_log ORDER BY created_at, id")
    return [(row["actor"], row["act"], row["subject"]) for row in found]


def user_id(rows: Rows, email: str) -> str:
    return str(rows("SELECT id FROM users WHERE email = :email", email=email)[0]["id"])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there_for_every_role(visit: Visit, developer: Visit, viewer: Visit, page: str) -> None:
    for somebody in (visit, developer, viewer):
        answer = somebody.get(f"/dashboard/settings{page}")
        assert answer.status_code == 200
        assert 'aria-current="page"' in answer.text
        assert "style=" not in answer.text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dashboard/settings/name", "manage the account"),
        ("/dashboard/settings/people", "manage the account"),
        ("/dashboard/settings/people/x/role", "manage the account"),
        ("/dashboard/settings/people/x/deactivate", "manage the account"),
        ("/dashboard/settings/checkout", "manage the account"),
    ],
)
def test_only_an_owner_manages_the_account(
    developer: Visit, viewer: Visit, rows: Rows, path: str, words: str
) -> None:
    for somebody in (developer, viewer):
        answer = somebody.post(path, name="Mine", role="owner", email="a@b.example", password=PASSWORD)
        assert answer.status_code == 403
        assert words in answer.text
    assert acts(rows) == []


@pytest.mark.parametrize("path", ["/dashboard/settings/keys", "/dashboard/settings/keys/x/revoke"])
def test_a_viewer_makes_and_revokes_no_key(viewer: Visit, rows: Rows, path: str) -> None:
    assert viewer.post(path).status_code == 403
    assert acts(rows) == []
    page = viewer.get("/dashboard/settings/keys").text
    assert "secret_test_xyz789" not in page
    for button in ("create-key-button", "revoke-key-button"):
        assert button not in page


def test_who_may_not_sees_no_button(developer: Visit) -> None:
    for page, buttons in {
        "": ["save-name-button"],
        "/people": ["save-role-button", "add-person-button", "deactivate-button"],
        "/checkout": ["save-checkout-button"],
    }.items():
        text = developer.get(f"/dashboard/settings{page}").text
        assert [button for button in buttons if button in text] == []


def test_a_refusal_returns_to_the_page_it_came_from(viewer: Visit) -> None:
    answer = viewer.client.post(
        "/dashboard/settings/keys",
        data={"csrf_token": viewer.csrf_token()},
        headers={"Referer": "http://localhost/dashboard"},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "http://localhost/dashboard")
    assert "Your role, viewer, cannot manage keys." in viewer.get("/dashboard").text


# The merchant's name


def test_a_name_is_saved_and_noted(visit: Visit, rows: Rows) -> None:
    answer = visit.post("/dashboard/settings/name", name="  Chai   & Co  ")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/settings")
    assert "Chai &amp; Co" in visit.get("/dashboard").text
    assert acts(rows) == [("test@example.com", "merchant.renamed", "Chai & Co")]


def test_a_name_may_hold_what_joins_its_letters(visit: Visit, rows: Rows) -> None:
    name = "र\u094d\u200dय दुकान"
    assert visit.post("/dashboard/settings/name", name=name).status_code == 303
    assert {"name": name} in rows("SELECT name FROM merchants")


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\0b", "a\x1bb", "a\x7fb", "a\x9bb"])
def test_a_name_nobody_could_read_is_refused_beside_its_field(visit: Visit, rows: Rows, name: str) -> None:
    answer = visit.post("/dashboard/settings/name", name=name)
    assert answer.status_code == 400
    assert 'data-test-id="name-error"' in answer.text
    assert rows("SELECT name FROM merchants WHERE id = :id", id=SEEDED_MERCHANT_ID) == [
        {"name": "Test Merchant"}
    ]


def test_a_reload_of_a_refused_form_leads_back(visit: Visit) -> None:
    for form in ("name", "password", "sessions"):
        assert visit.get(f"/dashboard/settings/{form}").headers["Location"] == "/dashboard/settings"


# Own password and sessions


def test_a_new_password_signs_the_other_browsers_out(app: Flask, developer: Visit, rows: Rows) -> None:
    elsewhere = visit_of(app, "developer@example.com")
    answer = developer.post(
        "/dashboard/settings/password", current_password=PASSWORD, new_password="a longer new one"
    )
    assert answer.status_code == 303
    assert developer.get("/dashboard").status_code == 200
    assert elsewhere.get("/dashboard").status_code == 303
    assert acts(rows) == [("developer@example.com", "user.password_changed", None)]


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong", "long enough for all", "current_password"),
        ("x" * 5000, "long enough for all", "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "x" * 201, "new_password"),
    ],
)
def test_a_password_is_refused_beside_its_field_and_never_shown_again(
    developer: Visit, current: str, new: str, field: str
) -> None:
    answer = developer.post("/dashboard/settings/password", current_password=current, new_password=new)
    assert answer.status_code == 400
    assert f'data-test-id="{field}-error"' in answer.text
    assert current not in answer.text and new not in answer.text


@pytest.mark.usefixtures("one_minute")
def test_whoever_found_an_open_session_cannot_try_passwords_for_long(developer: Visit) -> None:
    tries = {"current_password": "wrong", "new_password": "long enough for all"}
    codes = [developer.post("/dashboard/settings/password", **tries).status_code for _ in range(12)]
    assert codes[0] == 400
    assert codes[-1] == 429


def test_signing_out_everywhere_else(app: Flask, visit: Visit, rival_visit: Visit) -> None:
    elsewhere = visit_of(app, "test@example.com")
    page = visit.get("/dashboard/settings").text
    assert page.count('data-test-id="session-row"') == 2
    assert visit.post("/dashboard/settings/sessions").status_code == 303
    assert elsewhere.get("/dashboard").status_code == 303
    assert visit.get("/dashboard/settings").text.count('data-test-id="session-row"') == 1
    assert rival_visit.get("/dashboard").status_code == 200


# People


def test_an_owner_lets_somebody_in(app: Flask, visit: Visit, rows: Rows) -> None:
    answer = visit.post(
        "/dashboard/settings/people", email=" New@Example.com ", password=PASSWORD, role="viewer"
    )
    assert answer.status_code == 303
    assert "new@example.com" in visit.get("/dashboard/settings/people").text
    newcomer = visit_of(app, "new@example.com")
    assert (newcomer.person.role, newcomer.person.merchant_id) == ("viewer", SEEDED_MERCHANT_ID)
    assert acts(rows) == [("test@example.com", "user.added", "new@example.com as viewer")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"email": "test@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"role": "king"}, "role"),
        ({"email": "a\0b@example.com"}, "email"),
    ],
)
def test_a_person_who_cannot_be_is_refused_and_what_was_typed_is_kept(
    visit: Visit, rows: Rows, change: dict[str, str], field: str
) -> None:
    typed = {"email": "new@example.com", "password": PASSWORD, "role": "developer"} | change
    answer = visit.post("/dashboard/settings/people", **typed)
    assert answer.status_code == 400
    assert PASSWORD not in answer.text
    if field != "email":
        assert 'value="new@example.com"' in answer.text
        assert f'data-test-id="{field}-error"' in answer.text or "role must be" in answer.text
    else:
        assert 'data-test-id="email-error"' in answer.text
    assert len(rows("SELECT id FROM users")) == 1


def test_a_role_is_changed_at_once(visit: Visit, viewer: Visit, rows: Rows) -> None:
    path = f"/dashboard/settings/people/{viewer.person.user_id}/role"
    assert viewer.post("/dashboard/settings/keys").status_code == 403
    assert visit.post(path, role="developer").status_code == 303
    assert viewer.post("/dashboard/settings/keys").status_code == 201
    assert acts(rows)[0] == ("test@example.com", "user.role_changed", "viewer@example.com to developer")


def test_somebody_who_was_let_go_is_out_at_once(visit: Visit, viewer: Visit) -> None:
    path = f"/dashboard/settings/people/{viewer.person.user_id}"
    assert visit.post(f"{path}/deactivate").status_code == 303
    assert viewer.get("/dashboard").status_code == 303
    assert visit.post(f"{path}/activate").status_code == 303
    # The old session stays ended; only a new one counts.
    assert viewer.get("/dashboard").status_code == 303


def test_the_last_owner_stays_one(visit: Visit, rows: Rows) -> None:
    me = f"/dashboard/settings/people/{visit.person.user_id}"
    for path, fields in ((f"{me}/role", {"role": "viewer"}), (f"{me}/deactivate", {})):
        answer = visit.post(path, **fields)
        assert answer.status_code == 400
        assert "At least one active owner has to remain" in answer.text
    assert rows("SELECT role FROM users") == [{"role": "owner"}]


def test_nobody_touches_a_rivals_people(visit: Visit, rival_visit: Visit, rows: Rows) -> None:
    theirs = f"/dashboard/settings/people/{visit.person.user_id}"
    for path, fields in (
        (f"{theirs}/role", {"role": "viewer"}),
        (f"{theirs}/deactivate", {}),
        ("/dashboard/settings/people/nobody/role", {"role": "viewer"}),
        ("/dashboard/settings/people/nobody/activate", {}),
    ):
        assert rival_visit.post(path, **fields).status_code == 404
    assert visit.get("/dashboard").status_code == 200
    assert "test@example.com" not in rival_visit.get("/dashboard/settings/people").text


# Keys


def test_a_new_key_works_beside_the_old_one(app: Flask, visit: Visit, merchant: Person, rows: Rows) -> None:
    answer = visit.post("/dashboard/settings/keys")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    key = rows("SELECT key FROM api_keys WHERE key LIKE 'key_test_%' AND key <> 'key_test_abc123'")[0]["key"]
    secret = answer.text.split('data-test-id="new-api-secret"')[1].split(">")[1].split("<")[0].strip()
    assert secret.startswith("secret_test_")
    fresh = Person(app.test_client(), SEEDED_MERCHANT_ID, key, secret)
    assert fresh.get("/webhooks").status_code == 200
    assert merchant.get("/webhooks").status_code == 200
    assert acts(rows) == [("test@example.com", "key.created", key)]
    assert "secret" not in str(visit.client.get_cookie("gateway_session"))


def test_production_shows_a_secret_once(visit: Visit, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(visit.client.application.config["GATEWAY"]), "is_sandbox", False)
    page = visit.post("/dashboard/settings/keys").text
    assert "secret_live_" in page
    assert "shown this once and kept nowhere" in page
    assert "secret_live_" not in visit.get("/dashboard/settings/keys").text
    assert "secret_live_" not in visit.get("/dashboard").text
    assert rows("SELECT secret_encrypted FROM api_keys WHERE key LIKE 'key_live_%'") == [
        {"secret_encrypted": None}
    ]


def test_a_revoked_key_is_refused_at_once(visit: Visit, merchant: Person, rows: Rows) -> None:
    visit.post("/dashboard/settings/keys")
    assert merchant.get("/webhooks").status_code == 200
    old = rows("SELECT id FROM api_keys WHERE key = 'key_test_abc123'")[0]["id"]
    assert visit.post(f"/dashboard/settings/keys/{old}/revoke").status_code == 303
    assert merchant.get("/webhooks").status_code == 401
    assert acts(rows)[-1] == ("test@example.com", "key.revoked", "key_test_abc123")
    row = rows("SELECT revoked_at, secret_encrypted FROM api_keys WHERE id = :id", id=str(old))[0]
    assert row["revoked_at"] is not None and row["secret_encrypted"] is None
    again = visit.post(f"/dashboard/settings/keys/{old}/revoke")
    assert (again.status_code, "revoked already" in again.text) == (400, True)


def test_the_last_key_goes_only_when_somebody_insists(visit: Visit, merchant: Person, rows: Rows) -> None:
    key_id = rows("SELECT id FROM api_keys WHERE key = 'key_test_abc123'")[0]["id"]
    path = f"/dashboard/settings/keys/{key_id}/revoke"
    asked = visit.post(path)
    assert asked.status_code == 409
    assert 'data-test-id="last-key-warning"' in asked.text and 'name="even_the_last"' in asked.text
    assert merchant.get("/webhooks").status_code == 200
    assert visit.post(path, even_the_last="on").status_code == 303
    assert merchant.get("/webhooks").status_code == 401
    assert visit.get(path).headers["Location"] == "/dashboard/settings/keys"


def test_nobody_revokes_a_rivals_key(rival_visit: Visit, merchant: Person, rows: Rows) -> None:
    theirs = rows("SELECT id FROM api_keys WHERE key = 'key_test_abc123'")[0]["id"]
    for key_id in (theirs, "nonsense", "550E8400-E29B-41D4-A716-446655440000"):
        path = f"/dashboard/settings/keys/{key_id}/revoke"
        assert rival_visit.post(path, even_the_last="on").status_code == 404
    assert "key_test_abc123" not in rival_visit.get("/dashboard/settings/keys").text
    assert merchant.get("/webhooks").status_code == 200


# Checkout


def test_origins_and_the_token_are_saved(visit: Visit, rows: Rows) -> None:
    answer = visit.post(
        "/dashboard/settings/checkout",
        allowed_origins="https://Shop.example\r\nhttp://localhost:4000 ",
        requires_token="on",
    )
    assert answer.status_code == 303
    assert list(merchants.shopfront(SEEDED_MERCHANT_ID).origins) == [
        "https://shop.example",
        "http://localhost:4000",
    ]
    assert merchants.shopfront(SEEDED_MERCHANT_ID).requires_token
    assert list(merchants.shopfront(RIVAL_ID).origins) == []
    assert [act for _, act, _ in acts(rows)] == ["origins.saved", "checkout_token.required"]
    page = visit.get("/dashboard/settings/checkout").text
    assert "https://shop.example\nhttp://localhost:4000" in page and " checked" in page
    visit.post("/dashboard/settings/checkout", allowed_origins="")
    assert not merchants.shopfront(SEEDED_MERCHANT_ID).requires_token
    assert list(merchants.shopfront(SEEDED_MERCHANT_ID).origins) == []


def test_what_is_no_origin_is_refused_and_kept_for_mending(visit: Visit) -> None:
    answer = visit.post("/dashboard/settings/checkout", allowed_origins="https://shop.example/cart <b>")
    assert answer.status_code == 400
    assert 'data-test-id="allowed_origins-error"' in answer.text
    assert "https://shop.example/cart &lt;b&gt;</textarea>" in answer.text
    assert list(merchants.shopfront(SEEDED_MERCHANT_ID).origins) == []


# The audit log


def test_the_log_reads_as_sentences_and_pages_to_its_end(visit: Visit, rival_visit: Visit) -> None:
    for number in range(120):
        with transaction():
            audit.note(SEEDED_MERCHANT_ID, "key_test_abc123", "payment.captured", f"pay_{number:016}")
    path, seen, pages = "/dashboard/settings/audit", [], 0
    while path:
        page = visit.get(path).text
        seen += [part.split("<")[0] for part in page.split("<code>")[1:]]
        assert page.count("captured the payment") == page.count('data-test-id="audit-line"')
        older = page.split("after=")[1].split('"')[0] if 'data-test-id="older-button"' in page else ""
        path, pages = older and f"/dashboard/settings/audit?after={older}", pages + 1
    assert pages == 3
    assert seen == [f"pay_{number:016}" for number in reversed(range(120))]
    assert "captured the payment" not in rival_visit.get("/dashboard/settings/audit").text


def test_a_place_that_is_no_line_of_theirs_begins_anew(visit: Visit, rival_visit: Visit, rows: Rows) -> None:
    visit.post("/dashboard/settings/name", name="Chai")
    line = rows("SELECT id FROM audit_log")[0]["id"]
    for after in (str(line), "nonsense", "x' OR 1=1", "550e8400-e29b-41d4-a716-446655440000"):
        assert rival_visit.get("/dashboard/settings/audit", query_string={"after": after}).status_code == 200
    assert "Nothing yet" in rival_visit.get("/dashboard/settings/audit").text


def test_what_a_person_typed_is_never_markup(app: Flask, visit: Visit) -> None:
    hire(SEEDED_MERCHANT_ID, "<i>x@example.com", "viewer")
    visit.post("/dashboard/settings/name", name="<script>alert(1)</script>")
    for page in PAGES:
        text = visit.get(f"/dashboard/settings{page}").text
        assert "<script>alert" not in text and "<i>x@" not in text
    with transaction():
        assert session().query(User).count() == 2
