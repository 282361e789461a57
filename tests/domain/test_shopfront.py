"""What a merchant says about their checkout: who may embed it, and whether it wants a token."""

import pytest
from sqlalchemy import update

from gateway.core.db import session, transaction
from gateway.core.errors import BadRequest
from gateway.domain import merchants
from gateway.models import Merchant
from tests.conftest import Person


def save(merchant: Person, *origins: str) -> list[str]:
    with transaction():
        return merchants.save_allowed_origins(merchant.merchant_id, "asha@example.com", list(origins))


def test_at_first_no_origin_is_listed_and_no_token_is_wanted(merchant: Person) -> None:
    assert list(merchants.shopfront(merchant.merchant_id).origins) == []
    assert merchants.shopfront(merchant.merchant_id) == merchants.Shopfront("Test Merchant", (), False)


def test_origins_are_kept_as_browsers_write_them(merchant: Person, rival: Person, rows) -> None:
    saved = save(merchant, "https://Shop.example:443", " http://localhost:4000", "https://shop.example")
    assert saved == ["https://shop.example", "http://localhost:4000"]
    assert list(merchants.shopfront(merchant.merchant_id).origins) == saved
    assert list(merchants.shopfront(rival.merchant_id).origins) == []
    (line,) = rows("SELECT merchant_id, actor, act, subject FROM audit_log")
    assert (str(line["merchant_id"]), line["actor"], line["act"]) == (
        merchant.merchant_id,
        "asha@example.com",
        "origins.saved",
    )
    assert save(merchant) == []
    assert list(merchants.shopfront(merchant.merchant_id).origins) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "shop.example",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example/cart",
        "https://shop.example?x",
        "https://asha@shop.example",
        "https://shop.example:0",
        "https://shop.example:65536",
        "https://shop..example",
        "https://shop.example; script-src *",
        "https://shop.example https://rival.example",
        "https://दुकान.example",
        "ftp://shop.example",
        "null",
        "https://" + "a" * 300,
    ],
)
def test_what_is_no_exact_origin_is_refused(merchant: Person, text: str) -> None:
    save(merchant, "https://shop.example")
    with pytest.raises(BadRequest, match="is no origin"):
        save(merchant, "https://other.example", text)
    assert list(merchants.shopfront(merchant.merchant_id).origins) == ["https://shop.example"]


def test_twenty_origins_are_enough(merchant: Person) -> None:
    many = [f"https://shop{number}.example" for number in range(21)]
    assert save(merchant, *many[:20], many[0]) == many[:20]
    with pytest.raises(BadRequest, match="At most 20"):
        save(merchant, *many)


def test_wanting_the_token_is_a_switch_with_a_trace(merchant: Person, rival: Person, rows) -> None:
    for wanted in (True, False):
        with transaction():
            merchants.require_checkout_token(merchant.merchant_id, "asha@example.com", wanted)
        assert merchants.shopfront(merchant.merchant_id).requires_token is wanted
        assert merchants.shopfront(rival.merchant_id).requires_token is False
    acts = [line["act"] for line in rows("SELECT act FROM audit_log ORDER BY created_at")]
    assert sorted(acts) == ["checkout_token.not_required", "checkout_token.required"]


def test_a_key_is_known_as_its_merchants_own(merchant: Person, rival: Person) -> None:
    assert merchants.owns_key(merchant.merchant_id, merchant.key)
    assert not merchants.owns_key(rival.merchant_id, merchant.key)
    assert not merchants.owns_key(merchant.merchant_id, "key_ünknown\0")


def test_a_merchant_who_is_not_active_takes_no_payment_from_anybody(merchant: Person, visitor, rows) -> None:
    order, earlier = merchant.order(), merchant.pay()
    with transaction():
        session().execute(update(Merchant).values(is_active=False))
    body = {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"}
    api = visitor.post("/api/v1/payments/public", json=body)
    assert (api.status_code, api.json["error"]["reason"]) == (400, "merchant_inactive")
    page = visitor.post("/checkout/payments", data=body | {"key": "k" * 22})
    assert page.status_code == 400
    assert "takes no payments at the moment" in page.text
    assert len(rows("SELECT id FROM payments")) == 1
    # Whoever has paid already still hears what became of it.
    assert visitor.get(f"/api/v1/payments/{earlier['id']}/public").status_code == 200
