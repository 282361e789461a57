"""Payments that the payer makes in their own UPI app, and the token that lets a payer to an order."""

from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.core.db import transaction
from gateway.core.errors import BadRequest
from gateway.domain import merchants, orders, payments
from tests.conftest import Office, Person


def intent(person: Person, order: dict[str, object] | None = None) -> dict[str, object]:
    body = {"order_id": (order or person.order())["id"], "method": "upi", "flow": "intent"}
    answer = person.post("/payments", body)
    assert answer.status_code == 201, answer.text
    return answer.json


def hear(payment_id: str, vpa: str = "success@sandbox") -> None:
    with transaction():
        payments.hear(payment_id, vpa)


def test_the_answer_has_a_link_that_upi_apps_understand(merchant: Person) -> None:
    payment = intent(merchant, merchant.order(123456))
    assert (payment["status"], payment["vpa"]) == ("pending", None)
    link = urlsplit(payment["upi_link"])
    assert (link.scheme, link.netloc) == ("upi", "pay")
    assert {name: values[0] for name, values in parse_qs(link.query, strict_parsing=True).items()} == {
        "pa": "gateway@sandbox",
        "pn": "Sandbox",
        "am": "1234.56",
        "cu": "INR",
        "tr": payment["id"],
        "tn": f"Payment {payment['id']}",
    }
    assert "+" not in payment["upi_link"]
    assert merchant.payment(payment["id"]) == payment


def test_other_payments_know_nothing_of_links(merchant: Person) -> None:
    assert "upi_link" not in merchant.pay()
    body = {"order_id": merchant.order()["id"], "method": "upi", "flow": "collect", "vpa": "asha@upi"}
    assert merchant.post("/payments", body).status_code == 201
    answer = merchant.post("/payments", body | {"flow": "push"})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "flow")


def test_upi_knows_rupees_only(merchant: Person) -> None:
    body = {"order_id": merchant.order(currency="USD")["id"], "method": "upi", "flow": "intent"}
    answer = merchant.post("/payments", body)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "flow")
    assert merchant.get("/payments").json["data"] == []


@pytest.mark.parametrize(("vpa", "status"), [("success@sandbox", "success"), ("declined@sandbox", "failed")])
def test_what_the_app_says_is_settled_like_any_payment(
    merchant: Person, office: Office, rows, vpa: str, status: str
) -> None:
    payment = intent(merchant)
    assert office.settle() == 0, "nobody but the app may be asked"
    hear(payment["id"], vpa)
    assert office.settle() == 1
    settled = merchant.payment(payment["id"])
    assert (settled["status"], settled["vpa"]) == (status, vpa)
    order = rows("SELECT status, paid_payment_id FROM orders")[0]
    assert order["paid_payment_id"] == (payment["id"] if status == "success" else None)
    names = {row["event"] for row in rows("SELECT event FROM events")}
    assert f"payment.{status}" in names


def test_the_app_answers_once(merchant: Person, office: Office) -> None:
    payment = intent(merchant)
    hear(payment["id"], "declined@sandbox")
    for _ in range(2):
        with pytest.raises(BadRequest, match="not waiting"):
            hear(payment["id"])
        office.settle()
    assert merchant.payment(payment["id"])["status"] == "failed"


def test_only_intents_hear_apps(merchant: Person) -> None:
    for payment_id in (merchant.pay()["id"], "pay_0000000000000000", "nonsense"):
        with pytest.raises(BadRequest, match="not waiting"):
            hear(payment_id)


def test_after_five_minutes_it_has_failed(merchant: Person, office: Office, wait) -> None:
    payment = intent(merchant)
    wait(299)
    assert office.settle() == 0
    wait(2)
    with pytest.raises(BadRequest, match="not waiting"):
        hear(payment["id"])
    assert office.settle() == 1
    late = merchant.payment(payment["id"])
    assert (late["status"], late["error_code"], late["vpa"]) == ("failed", "PAYMENT_FAILED", None)
    assert late["error_description"] == "The payment was not approved in time"


def test_an_app_that_answers_while_its_time_runs_out_is_too_late(merchant: Person, wait) -> None:
    """A clock that is a little behind must not approve what a worker is already giving up."""
    payment = intent(merchant)
    wait(301)
    with transaction():
        (claim,) = payments.claim(10)
    wait(-10)
    with pytest.raises(BadRequest, match="not waiting"):
        hear(payment["id"])
    assert (claim.asked.is_intent, claim.asked.instrument) == (True, "")


def test_a_paid_intent_can_be_refunded(merchant: Person, office: Office, wait) -> None:
    payment = intent(merchant)
    hear(payment["id"])
    office.settle()
    refund = merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 100}).json
    wait(10)
    office.refund()
    assert merchant.get(f"/refunds/{refund['id']}").json["status"] == "processed"


def test_a_payer_without_credentials_gets_the_link_too(merchant: Person, visitor) -> None:
    body = {"order_id": merchant.order()["id"], "method": "upi", "flow": "intent"}
    payment = visitor.post("/api/v1/payments/public", json=body).json
    assert payment["upi_link"].startswith("upi://pay?")
    assert visitor.get(f"/api/v1/payments/{payment['id']}/public").json == payment


# The token of an order


def test_the_merchant_sees_an_orders_token_and_events_do_not(merchant: Person, office: Office, wait) -> None:
    order = merchant.order()
    assert len(order["checkout_token"]) == 64
    assert merchant.get(f"/orders/{order['id']}").json["checkout_token"] == order["checkout_token"]
    assert merchant.order()["checkout_token"] != order["checkout_token"]
    merchant.pay(order)
    wait(2)
    office.settle()
    office.deliver()
    assert order["checkout_token"] not in merchant.get("/events?limit=100").text


def test_the_open_route_wants_the_token_where_the_merchant_does(
    merchant: Person, rival: Person, visitor
) -> None:
    order = merchant.order()
    body = {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"}
    with transaction():
        merchants.require_checkout_token(merchant.merchant_id, "asha@example.com", True)
    for token in (None, "", "é", orders.checkout_token(rival.order()["id"])):
        answer = visitor.post("/api/v1/payments/public", json=body | {"checkout_token": token})
        assert (answer.status_code, answer.json["error"]["reason"]) == (400, "checkout_token_required")
    assert visitor.post("/api/v1/payments/public", json=body).status_code == 400
    good = body | {"checkout_token": order["checkout_token"]}
    assert visitor.post("/api/v1/payments/public", json=good).status_code == 201
    assert merchant.post("/payments", body).status_code == 201
    other = body | {"order_id": rival.order()["id"]}
    assert visitor.post("/api/v1/payments/public", json=other).status_code == 201
