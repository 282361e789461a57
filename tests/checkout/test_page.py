"""The hosted page, as the server draws it: every state, and what it never shows."""

import gzip
import json
import re
from dataclasses import replace

import pytest
from flask import Flask

from gateway.app import create_app
from gateway.core.config import Config
from gateway.core.db import transaction
from gateway.domain import merchants
from tests.checkout.conftest import Payer, Seen
from tests.conftest import Office, Person

CONTRACT = {
    "checkout-container",
    "order-summary",
    "order-amount",
    "order-id",
    "payment-methods",
    "method-upi",
    "method-card",
    "upi-form",
    "vpa-input",
    "card-form",
    "card-number-input",
    "expiry-input",
    "cvv-input",
    "cardholder-name-input",
    "pay-button",
    "processing-state",
    "processing-message",
    "success-state",
    "payment-id",
    "success-message",
    "error-state",
    "error-message",
    "retry-button",
}
START = {"checkout-container", "order-summary", "order-amount", "order-id", "payment-methods"}
HOSTED = "frame-ancestors 'none'"


def test_every_name_of_the_contract_is_on_the_page_and_few_are_shown(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    page = payer.visit(order)
    assert set(page.attributes) >= CONTRACT
    assert set(page.shown) == START | {"method-upi", "method-card", "sandbox-hint"}
    assert (page.text("order-amount"), page.text("order-id")) == ("₹500.00", order["id"])
    assert page.attributes["method-upi"]["data-method"] == "upi"
    assert page.attributes["method-card"]["data-method"] == "card"


@pytest.mark.parametrize(("method", "form"), [("upi", "upi-form"), ("card", "card-form")])
def test_the_form_of_the_chosen_method_appears(
    merchant: Person, payer: Payer, method: str, form: str
) -> None:
    shown = payer.visit(merchant.order(), method=method).shown
    assert form in shown and "pay-button" in shown
    assert len({"upi-form", "card-form"} & set(shown)) == 1


def test_keyboards_and_browsers_know_what_each_field_is(merchant: Person, payer: Payer) -> None:
    fields = payer.visit(merchant.order(), method="card").attributes
    expected = {
        "vpa-input": ("email", "on", "text"),
        "card-number-input": ("numeric", "cc-number", "text"),
        "expiry-input": ("numeric", "cc-exp", "text"),
        "cvv-input": ("numeric", "cc-csc", "password"),
    }
    for name, wanted in expected.items():
        own = fields[name]
        assert (own["inputmode"], own["autocomplete"], own["type"]) == wanted, name
    assert fields["cardholder-name-input"]["autocomplete"] == "cc-name"


def test_a_payment_is_followed_to_its_end(merchant: Person, payer: Payer, office: Office, wait) -> None:
    order = merchant.order()
    payment_id = payer.pay(order)
    page = payer.visit(order, payment_id=payment_id)
    assert {"processing-state", "processing-message"} <= set(page.shown)
    assert "payment-methods" not in page.shown
    assert '<noscript><meta http-equiv="refresh"' in page.answer.text
    wait(2)
    office.settle()
    page = payer.visit(order, payment_id=payment_id)
    assert page.text("payment-id") == payment_id
    assert page.text("success-message") == "Payment successful"
    assert 'http-equiv="refresh"' not in page.answer.text


def test_a_failure_gives_its_reason_and_another_try(
    merchant: Person, payer: Payer, office: Office, wait
) -> None:
    order = merchant.order()
    payment_id = payer.pay(order, vpa="declined@sandbox")
    wait(2)
    office.settle()
    page = payer.visit(order, payment_id=payment_id)
    assert page.text("error-message") == "Payment was declined by the bank"
    assert "retry-button" in page.shown
    assert "payment-methods" in payer.visit(order, method="upi").shown


def test_a_paid_order_is_not_paid_again(
    merchant: Person, payer: Payer, office: Office, wait, app: Flask, monkeypatch
) -> None:
    order = merchant.order()
    payer.pay(order)
    wait(2)
    office.settle()
    monkeypatch.setattr("gateway.core.config._current", Config(repeat_payments=False))
    page = payer.visit(order)
    assert page.text("paid-state").startswith("Already paid")
    assert "payment-methods" not in page.shown
    answer = payer.send(order, "form-2", method="upi", vpa="asha@upi")
    assert answer.status_code == 400
    assert "paid-state" in Seen(answer).shown


def test_unknown_orders_and_other_peoples_payments_are_not_found(
    merchant: Person, rival: Person, payer: Payer
) -> None:
    order = merchant.order()
    others = (rival.pay()["id"], merchant.pay()["id"], "pay_0000000000000000", "x")
    for query in (
        {"order_id": "order_0000000000000000"},
        {"order_id": "é"},
        {},
        *({"order_id": order["id"], "payment_id": other} for other in others),
    ):
        answer = payer.client.get("/checkout", query_string=query)
        assert answer.status_code == 404, query
        assert Seen(answer).text("error-message").startswith("Order not found")
    assert payer.client.get("/checkout/anything").status_code == 404


def test_the_language_is_the_payers(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    hindi = payer.visit(order, lang="hi")
    assert '<html lang="hi">' in hindi.answer.text and "कार्ड" in hindi.text("method-card")
    liked = payer.client.get(f"/checkout?order_id={order['id']}", headers={"Accept-Language": "fr, hi;q=0.8"})
    assert '<html lang="hi">' in liked.text
    assert '<html lang="en">' in payer.visit(order, lang="xx").answer.text
    unknown = payer.client.get("/checkout?order_id=x&lang=hi")
    assert "ऑर्डर नहीं मिला" in unknown.text


def test_nobody_may_keep_or_frame_it(merchant: Person, payer: Payer) -> None:
    headers = payer.visit(merchant.order()).answer.headers
    policy = headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert policy.endswith(HOSTED) and "unsafe" not in policy
    assert "script-src 'self';" in policy and "style-src 'self';" in policy


@pytest.mark.parametrize("query", ["", "&method=card", "&embedded=true", "&lang=hi&method=upi"])
def test_nothing_is_written_into_the_page_that_its_policy_forbids(
    merchant: Person, payer: Payer, query: str
) -> None:
    text = payer.client.get(f"/checkout?order_id={merchant.order()['id']}{query}").text
    assert "style=" not in text and "<style" not in text and " on" + "click" not in text
    assert text.count("<script") == text.count("<script src=")


def test_what_is_written_in_the_address_or_the_order_is_only_text(rival: Person, payer: Payer) -> None:
    evil = '"><script>alert(1)</script>'
    order = rival.order(receipt=evil)
    for query in ({"lang": evil}, {"method": evil}, {"checkout_token": evil}, {"embedded": evil}):
        page = payer.visit(order, **query)
        assert "<script>" not in page.answer.text
    assert "<script>" not in payer.client.get("/checkout", query_string={"order_id": evil}).text


def test_old_addresses_lead_to_it(payer: Payer) -> None:
    answer = payer.client.get("/checkout.html?order_id=order_1&embedded=true")
    assert (answer.status_code, answer.headers["Location"]) == (
        301,
        "/checkout?order_id=order_1&embedded=true",
    )


def test_all_of_it_is_under_60_kb(merchant: Person, payer: Payer) -> None:
    """The page in the longer language, framed, with everything it fetches, as browsers are sent it."""
    page = payer.visit(merchant.order(), lang="hi", embedded="true").answer
    addresses = set(re.findall(r'(?:src|href)="(/(?:static|sdk)/[^"]+)"', page.text))
    assert len(addresses) == 4, "style, two scripts, icon"
    total = len(page.data)
    for address in addresses:
        answer = payer.client.get(address, headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert "immutable" in answer.headers["Cache-Control"]
        assert gzip.decompress(answer.data)
        total += len(answer.data)
    assert total < 60_000
    fetched = re.findall(r'(?:src|href|action)="([^"]+)"', page.text)
    assert all(address.startswith("/") for address in fetched), "it depends on nothing but itself"


def test_where_a_merchant_wants_the_token_an_id_is_not_enough(merchant: Person, payer: Payer) -> None:
    order, other = merchant.order(), merchant.order()
    with transaction():
        merchants.require_checkout_token(merchant.merchant_id, "asha@example.com", True)
    for query in ({}, {"checkout_token": ""}, {"checkout_token": other["checkout_token"]}):
        page = payer.visit(order, **query)
        assert page.answer.status_code == 400
        assert page.text("error-message").startswith("This payment link is not complete")
        assert payer.send(order, method="upi", vpa="asha@upi", **query).status_code == 400
    assert merchant.get("/payments").json["data"] == []
    page = payer.visit(order, checkout_token=order["checkout_token"])
    assert page.value("checkout_token") == order["checkout_token"]
    assert payer.pay(order, checkout_token=order["checkout_token"]).startswith("pay_")
    # In a frame it comes with the handshake, so the page must be there before it.
    assert payer.visit(order, embedded="true").answer.status_code == 200
    assert payer.send(order, "2", method="upi", vpa="asha@upi", embedded="true").status_code == 400


def test_the_app_is_offered_for_rupees_and_drawn_as_a_code(merchant: Person, payer: Payer) -> None:
    assert "app-button" in payer.visit(merchant.order(), method="upi").shown
    assert "app-button" not in payer.visit(merchant.order(currency="USD"), method="upi").shown
    order = merchant.order()
    answer = payer.send(order, method="upi", flow="intent")
    page = Seen(payer.client.get(answer.headers["Location"]))
    link = merchant.get("/payments").json["data"][0]["upi_link"]
    assert page.attributes["app-link"]["href"] == link
    assert page.attributes["app-qr"]["src"].startswith("data:image/svg+xml")
    assert "app-approve" in page.shown and "Good until" in page.text("app-until")


@pytest.mark.parametrize(("answer", "state"), [("approve", "success-state"), ("decline", "error-state")])
def test_the_sandbox_plays_the_app(
    merchant: Person, payer: Payer, office: Office, answer: str, state: str
) -> None:
    order = merchant.order()
    place = payer.send(order, method="upi", flow="intent").headers["Location"]
    (payment,) = merchant.get("/payments").json["data"]
    path = f"/checkout/payments/{payment['id']}/app"
    assert payer.client.post(path, data={"order_id": order["id"], "answer": "nonsense"}).status_code == 404
    other = {"order_id": merchant.order()["id"], "answer": answer}
    assert payer.client.post(path, data=other).status_code == 404
    data = {"order_id": order["id"], "answer": answer}
    assert payer.client.post(path, data=data).headers["Location"] == place
    office.settle()
    assert state in Seen(payer.client.get(place)).shown
    assert payer.client.post(path, data=data).status_code == 400, "it is over"


def test_production_has_no_such_buttons(merchant: Person, payer: Payer, monkeypatch) -> None:
    order = merchant.order()
    place = payer.send(order, method="upi", flow="intent").headers["Location"]
    (payment,) = merchant.get("/payments").json["data"]
    monkeypatch.setattr("gateway.core.config._current", Config(env="production"))
    page = Seen(payer.client.get(place))
    assert "app-qr" in page.shown and not {"app-approve", "sandbox-hint"} & set(page.shown)
    data = {"order_id": order["id"], "answer": "approve"}
    assert payer.client.post(f"/checkout/payments/{payment['id']}/app", data=data).status_code == 404


def test_other_faces_have_none_of_it(config: Config, monkeypatch) -> None:
    client = create_app(replace(config, faces=frozenset({"api", "dashboard"}))).test_client()
    for path in ("/checkout", "/checkout.js", "/checkout/payments"):
        assert client.get(path).status_code == 404


def test_the_script_is_told_the_servers_own_rules(merchant: Person, payer: Payer) -> None:
    page = payer.visit(merchant.order())
    script = json.loads(page.attributes["checkout-container"]["data-script"])
    assert set(script["networks"]) == {"visa", "mastercard", "amex", "rupay"}
    assert script["vpa"].endswith("+")
