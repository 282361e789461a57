"""Who is asking: the same refusal for every wrong pair."""

import base64

import pytest

from gateway.domain import merchants
from tests.conftest import Person

PAIRS = {
    "nothing": {},
    "only a key": {"X-Api-Key": "key_test_abc123"},
    "only a secret": {"X-Api-Secret": "secret_test_xyz789"},
    "an unknown key": {"X-Api-Key": "key_unknown", "X-Api-Secret": "secret_test_xyz789"},
    "a wrong secret": {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "wrong"},
    "somebody else's secret": {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_rival"},
    "an empty pair": {"X-Api-Key": "", "X-Api-Secret": ""},
    "bytes of another alphabet": {"X-Api-Key": "k\xe9y", "X-Api-Secret": "\xff"},
    "a very long key": {"X-Api-Key": "k" * 5000, "X-Api-Secret": "s" * 5000},
    "basic nonsense": {"Authorization": "Basic !!!"},
    "a bearer": {"Authorization": "Bearer key_test_abc123"},
}


@pytest.mark.parametrize("headers", PAIRS.values(), ids=PAIRS.keys())
def test_every_wrong_pair_reads_the_same(visitor, config, headers) -> None:
    for method, path in (
        ("GET", "/api/v1/webhooks"),
        ("POST", "/api/v1/orders"),
        ("PUT", "/api/v1/webhooks/config"),
    ):
        answer = visitor.open(path, method=method, headers=headers)
        assert answer.status_code == 401
        error = answer.json["error"]
        assert (error["code"], error["description"]) == ("AUTHENTICATION_ERROR", "Invalid API credentials")


def test_basic_carries_the_same_pair(visitor, config) -> None:
    pair = base64.b64encode(b"key_test_abc123:secret_test_xyz789").decode()
    assert visitor.get("/api/v1/webhooks", headers={"Authorization": f"Basic {pair}"}).status_code == 200
    wrong = base64.b64encode(b"key_test_abc123:wrong").decode()
    assert visitor.get("/api/v1/webhooks", headers={"Authorization": f"Basic {wrong}"}).status_code == 401


@pytest.mark.parametrize(
    "change",
    ["UPDATE merchants SET is_active = false", "UPDATE api_keys SET revoked_at = created_at"],
)
def test_an_inactive_merchant_or_revoked_key_is_a_wrong_pair(merchant: Person, change: str) -> None:
    from sqlalchemy import text

    from gateway.core.db import session, transaction

    assert merchant.get("/webhooks").status_code == 200
    with transaction():
        session().execute(text(change))
    merchants.forget_cached_keys()
    assert merchant.get("/webhooks").status_code == 401


def test_a_secret_is_neither_stored_nor_logged_in_clear(merchant: Person, rows, caplog) -> None:
    merchant.get("/webhooks")
    stored = str(rows("SELECT * FROM api_keys")) + caplog.text
    assert "secret_test_xyz789" not in stored


def test_last_use_is_noted_once_a_minute(merchant: Person, rows, wait) -> None:
    def stamp() -> object:
        merchants.forget_cached_keys()
        merchant.get("/webhooks")
        return rows("SELECT last_used_at FROM api_keys WHERE key = 'key_test_abc123'")[0]["last_used_at"]

    first = stamp()
    assert first is not None
    wait(30)
    assert stamp() == first
    wait(31)
    assert stamp() > first
