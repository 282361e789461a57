"""Who may show the checkout in a frame, and whose key opens it."""

import pytest

from gateway.checkout import framing
from gateway.core import clock
from gateway.core.config import Config
from gateway.core.db import session, transaction
from gateway.domain import merchants
from gateway.domain.merchants import Shopfront
from gateway.models import ApiKey
from tests.checkout.conftest import Payer
from tests.conftest import Person

LOCAL = "http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"


def ancestors(payer: Payer, path: str) -> str:
    policy = payer.client.get(path).headers["Content-Security-Policy"]
    return policy.partition("frame-ancestors ")[2]


def test_at_first_the_developers_own_machine_may(merchant: Person, payer: Payer) -> None:
    path = f"/checkout?order_id={merchant.order()['id']}"
    assert ancestors(payer, f"{path}&embedded=true") == LOCAL
    assert ancestors(payer, path) == "'none'"
    assert ancestors(payer, f"{path}&embedded=yes") == "'none'"
    assert ancestors(payer, "/checkout?order_id=unknown&embedded=true") == LOCAL
    assert ancestors(payer, "/checkout?order_id=unknown") == "'none'"


def test_then_those_that_the_merchant_lists_and_no_others(
    merchant: Person, rival: Person, payer: Payer
) -> None:
    with transaction():
        merchants.save_allowed_origins(
            merchant.merchant_id, "asha", ["https://shop.example", "http://localhost:4000"]
        )
    path = f"/checkout?order_id={merchant.order()['id']}&embedded=true"
    assert ancestors(payer, path) == "https://shop.example http://localhost:4000"
    page = payer.client.get(path).text
    assert 'data-may-embed="[&#34;https://shop.example&#34;, &#34;http://localhost:4000&#34;]"' in page
    assert ancestors(payer, f"/checkout?order_id={rival.order()['id']}&embedded=true") == LOCAL


def test_production_allows_nobody_by_default(payer: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.config._current", Config(env="production"))
    listed = Shopfront("Shop", ("https://shop.example",), False)
    assert framing.may_embed(Shopfront("Shop", (), False)) == ()
    assert framing.policy(framing.may_embed(listed)) == "https://shop.example"
    assert ancestors(payer, "/checkout?order_id=unknown&embedded=true") == "'none'"


def test_the_other_half_of_the_sdk_comes_only_into_frames(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    assert "frame.js" not in payer.visit(order).answer.text
    assert "frame.js" in payer.visit(order, embedded="true").answer.text


def test_a_refusal_can_be_framed_where_the_page_could(merchant: Person, payer: Payer) -> None:
    answer = payer.send(merchant.order(), method="upi", vpa="wrong", embedded="true")
    assert answer.status_code == 400
    assert answer.headers["Content-Security-Policy"].endswith(LOCAL)


def test_a_key_must_be_one_of_the_orders_merchant(merchant: Person, rival: Person, payer: Payer) -> None:
    order_id = merchant.order()["id"]
    for key, is_known in ((merchant.key, True), (rival.key, False), ("", False), ("nonsense\0é", False)):
        answer = payer.client.post("/checkout/handshake", data={"order_id": order_id, "key": key})
        assert (answer.status_code, answer.json) == (200, {"is_known": is_known}), key
    unknown = {"order_id": "order_0000000000000000", "key": merchant.key}
    assert payer.client.post("/checkout/handshake", data=unknown).status_code == 404


def test_a_revoked_key_opens_nothing(merchant: Person, payer: Payer, rows) -> None:
    order_id = merchant.order()["id"]
    with transaction():
        session().query(ApiKey).filter_by(key=merchant.key).update({"revoked_at": clock.now()})
    answer = payer.client.post("/checkout/handshake", data={"order_id": order_id, "key": merchant.key})
    assert answer.json == {"is_known": False}
