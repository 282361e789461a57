"""Every code of the contract: provoked, and held against what its table says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from sqlalchemy import text
from werkzeug.test import TestResponse

from gateway.api import openapi
from gateway.core import config as settings
from gateway.core import connections, db, errors
from gateway.core.config import Config
from gateway.core.errors import CODES, Refusal
from gateway.domain import merchants, orders
from gateway.web import ratelimit
from gateway.web.requests import MAX_BODY_BYTES
from tests.conftest import PROJECT, Office, Person

DOCUMENT = openapi.document()
KEYED = {"headers": {"Idempotency-Key": "k"}}


@dataclass
class Scene:
    """Everybody and everything that it takes to go wrong."""

    merchant: Person
    visitor: FlaskClient
    office: Office
    wait: Callable[[float], None]
    patch: pytest.MonkeyPatch

    def pay(self, **how: Any) -> TestResponse:
        return self.merchant.post("/payments", {"order_id": self.merchant.order()["id"], **how})

    def pay_by_card(self, **change: Any) -> TestResponse:
        card = {"number": "4111111111111111", "expiry_month": 12, "cvv": "123", "holder_name": "Asha"}
        return self.pay(method="card", card=card | {"expiry_year": 2099} | change)


@pytest.fixture
def scene(merchant: Person, visitor, office: Office, wait, monkeypatch) -> Scene:
    return Scene(merchant, visitor, office, wait, monkeypatch)


def fail_a_payment(scene: Scene) -> TestResponse:
    payment = scene.merchant.pay(vpa="declined@sandbox")
    scene.wait(2)
    scene.office.settle()
    return scene.merchant.get(f"/payments/{payment['id']}")


def repeat_with_another_body(scene: Scene) -> TestResponse:
    scene.merchant.post("/orders", {"amount": 500}, **KEYED)
    return scene.merchant.post("/orders", {"amount": 501}, **KEYED)


def repeat_too_early(scene: Scene) -> TestResponse:
    """The first request has written its key, and its commit is a long time coming."""
    scene.patch.setattr(connections, "LOCK_TIMEOUT_MS", 50)
    scene.patch.setattr(connections, "_SQLITE_BUSY_TIMEOUT_MS", 50)
    db.connect(settings.current())
    with db.engine().connect().execution_options(writes=True) as first:
        first.execute(
            text(
                "INSERT INTO idempotency_keys"
                " (merchant_id, key, fingerprint, status_code, response, created_at, expires_at)"
                " VALUES (:merchant_id, 'k', '', 201, '', :now, :now)"
            ),
            {"merchant_id": scene.merchant.merchant_id, "now": "2026-01-15 10:31:00"},
        )
        return scene.merchant.post("/orders", {"amount": 500}, **KEYED)


def too_many(scene: Scene) -> TestResponse:
    scene.patch.setattr(ratelimit, "limit_per_minute", lambda: 0)
    return scene.visitor.get("/api/v1/orders/order_0000000000000000/public")


def stumble(scene: Scene) -> TestResponse:
    def broken(*_: object) -> None:
        raise RuntimeError("the inside of the machine")

    scene.patch.setattr(orders, "get", broken)
    return scene.merchant.get("/orders/order_0000000000000000")


def lose_the_database(scene: Scene) -> TestResponse:
    file, server = "sqlite:////nowhere/gateway.db", "postgresql+psycopg2://nobody@127.0.0.1:9/nowhere"
    db.connect(Config(database_url=file if db.is_sqlite() else server))
    merchants.forget_cached_keys()
    return scene.merchant.get("/orders")


PROVOCATIONS: dict[tuple[str, int | None], Callable[[Scene], TestResponse]] = {
    ("BAD_REQUEST_ERROR", 400): lambda scene: scene.merchant.post("/orders", {"amount": 99}),
    ("INVALID_VPA", 400): lambda scene: scene.pay(method="upi", vpa="asha"),
    ("INVALID_CARD", 400): lambda scene: scene.pay_by_card(number="4111111111111112"),
    ("EXPIRED_CARD", 400): lambda scene: scene.pay_by_card(expiry_year=2024),
    ("AUTHENTICATION_ERROR", 401): lambda scene: scene.visitor.get("/api/v1/orders"),
    ("NOT_FOUND_ERROR", 404): lambda scene: scene.merchant.get("/orders/order_0000000000000000"),
    ("METHOD_NOT_ALLOWED", 405): lambda scene: scene.visitor.delete("/api/v1/orders"),
    ("IDEMPOTENCY_ERROR", 409): repeat_too_early,
    ("PAYLOAD_TOO_LARGE", 413): lambda scene: scene.merchant.post("/orders", {"r": "x" * MAX_BODY_BYTES}),
    ("IDEMPOTENCY_ERROR", 422): repeat_with_another_body,
    ("RATE_LIMIT_ERROR", 429): too_many,
    ("SERVER_ERROR", 500): stumble,
    ("SERVER_ERROR", 503): lose_the_database,
    ("PAYMENT_FAILED", None): fail_a_payment,
}


@pytest.mark.parametrize(
    ("code", "status", "when", "advice"), CODES, ids=[f"{code}-{status}" for code, status, *_ in CODES]
)
def test_every_code_is_met_as_its_row_says(scene: Scene, code, status, when: str, advice: str) -> None:
    ratelimit.forget()
    answer = PROVOCATIONS[code, status](scene)
    ratelimit.forget()
    assert answer.mimetype == "application/json"
    if status is None:
        assert (answer.status_code, answer.json["error_code"]) == (200, code)
        assert answer.json["error_description"]
        return
    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error.keys() <= {"code", "description", "field", "reason", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-Id"]
    schema = {"$ref": "#/components/schemas/Error", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(answer.json)
    for header in ("Retry-After", "Allow"):
        assert (header in answer.headers) == (f"`{header}`" in advice)
    assert ("field" in error) or "`field`" not in when + advice


def test_every_refusal_has_its_row_and_every_row_its_refusal() -> None:
    family = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)}
    # A bug of ours is no refusal, and neither is a bank's no.
    others = {("SERVER_ERROR", 500), ("PAYMENT_FAILED", None)}
    rows = {(code, status) for code, status, *_ in CODES}
    assert rows == {(kind.code, kind.status) for kind in family} | others
    assert len(CODES) == len(rows) == len(PROVOCATIONS)


def test_the_size_it_names_is_the_real_one() -> None:
    (when,) = (row[2] for row in CODES if row[0] == "PAYLOAD_TOO_LARGE")
    assert f"{MAX_BODY_BYTES // 1024} KiB" in when


def test_readme_and_document_show_the_same_table() -> None:
    """When it has changed: python -c 'from gateway.api import openapi; print(openapi.codes_table())'."""
    table = openapi.codes_table()
    assert table in DOCUMENT["info"]["description"]
    sections = (PROJECT / "README.md").read_text().split("\n## ")
    (section,) = (each for each in sections if each.startswith("Errors\n"))
    assert section.endswith(f"\n\n{table}")
