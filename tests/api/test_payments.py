"""Payments over the API: taken at once, settled by the worker."""

import pytest

from tests.conftest import Office, Person

CARD = {
    "number": "4111 1111-1111 1111",
    "expiry_month": 12,
    "expiry_year": "30",
    "cvv": "123",
    "holder_name": "आशा राव 🙂",
}


def test_a_upi_payment_is_pending_at_once_and_settles(merchant: Person, office: Office, wait) -> None:
    order = merchant.order(50000)
    answer = merchant.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"})
    assert answer.status_code == 201
    assert answer.json | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "order_id": order["id"],
        "amount": 50000,
        "currency": "INR",
        "method": "upi",
        "vpa": "asha@upi",
        "status": "pending",
        "captured": False,
        "amount_refunded": 0,
        "refund_status": None,
        "error_code": None,
        "error_description": None,
        "created_at": "",
        "updated_at": "",
    }
    assert office.settle() == 0  # the bank takes a second
    wait(1.01)
    assert office.settle() == 1
    assert merchant.payment(answer.json["id"])["status"] == "success"
    assert merchant.get(f"/orders/{order['id']}").json["status"] == "paid"


def test_a_card_payment_shows_network_and_last_four_and_nothing_else(merchant: Person, rows) -> None:
    answer = merchant.post("/payments", {"order_id": merchant.order()["id"], "method": "card", "card": CARD})
    assert answer.status_code == 201
    assert (answer.json["card_network"], answer.json["card_last4"]) == ("visa", "1111")
    assert "vpa" not in answer.json
    for table in ("payments", "events", "idempotency_keys", "audit_log", "orders"):
        stored = str(rows(f"SELECT * FROM {table}"))
        assert "4111111111111111" not in stored
        assert "'123'" not in stored
        assert "आशा" not in stored


def test_a_failed_payment_says_why(merchant: Person, office: Office, wait) -> None:
    payment = merchant.pay(vpa="declined@sandbox")
    wait(2)
    office.settle()
    settled = merchant.payment(payment["id"])
    assert settled["status"] == "failed"
    assert settled["error_code"] == "PAYMENT_FAILED"
    assert settled["error_description"] == "Payment was declined by the bank"
    assert merchant.get(f"/orders/{payment['order_id']}").json["status"] == "attempted"


def test_an_order_that_somebody_tried_to_pay_is_attempted(merchant: Person) -> None:
    order = merchant.order()
    merchant.pay(order)
    assert merchant.get(f"/orders/{order['id']}").json["status"] == "attempted"


def test_amount_and_currency_are_the_orders(merchant: Person) -> None:
    order = merchant.order(70000, currency="USD")
    body = {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"}
    assert merchant.post("/payments", body | {"amount": 70000, "currency": "USD"}).status_code == 201
    for field, wrong in (("amount", 69999), ("currency", "INR")):
        answer = merchant.post("/payments", body | {field: wrong})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


def test_unknown_fields_are_ignored_and_never_stored(merchant: Person, rows) -> None:
    body = {
        "order_id": merchant.order()["id"],
        "method": "upi",
        "vpa": "asha@upi",
        "shoe_size": "unmistakable",
    }
    assert merchant.post("/payments", body).status_code == 201
    assert "unmistakable" not in str(rows("SELECT * FROM payments")) + str(rows("SELECT * FROM events"))


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


@pytest.mark.parametrize(
    "vpa",
    [
        None,
        "",
        "asha",
        "asha@",
        "@upi",
        "asha@u pi",
        "asha@upi\n",
        "a@b@c",
        "आशा@upi",
        "asha@up-i",
        5,
        True,
        [],
        {},
    ],
)
def test_a_vpa_of_the_wrong_form_is_refused(merchant: Person, rows, vpa: object) -> None:
    body = {"order_id": merchant.order()["id"], "method": "upi", "vpa": vpa}
    assert refusal(merchant.post("/payments", body)) == (400, "INVALID_VPA")
    assert rows("SELECT * FROM payments") == []


def test_a_missing_vpa_or_card_is_refused_by_its_own_code(merchant: Person) -> None:
    body = {"order_id": merchant.order()["id"]}
    assert refusal(merchant.post("/payments", body | {"method": "upi"})) == (400, "INVALID_VPA")
    assert refusal(merchant.post("/payments", body | {"method": "card"})) == (400, "INVALID_CARD")
    assert refusal(merchant.post("/payments", body | {"method": "card", "card": None})) == (
        400,
        "INVALID_CARD",
    )
    assert refusal(merchant.post("/payments", body | {"method": "card", "card": "4111"})) == (
        400,
        "INVALID_CARD",
    )


@pytest.mark.parametrize("method", [None, "", "UPI", "cash", 1, ["upi"], {"upi": 1}])
def test_a_method_nobody_knows_is_refused(merchant: Person, method: object) -> None:
    answer = merchant.post("/payments", {"order_id": merchant.order()["id"], "method": method, "vpa": "a@b"})
    assert refusal(answer) == (400, "BAD_REQUEST_ERROR")
    assert answer.json["error"]["field"] == "method"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"number": "4111111111111112"}, "INVALID_CARD", "card.number"),
        ({"number": "41111111"}, "INVALID_CARD", "card.number"),
        ({"number": "4" * 20}, "INVALID_CARD", "card.number"),
        ({"number": "4111.1111.1111.1111"}, "INVALID_CARD", "card.number"),
        ({"number": "४१११११११११११११११"}, "INVALID_CARD", "card.number"),
        ({"number": 4111111111111111}, "INVALID_CARD", "card.number"),
        ({"number": None}, "INVALID_CARD", "card.number"),
        ({"cvv": "12"}, "INVALID_CARD", "card.cvv"),
        ({"cvv": "1234"}, "INVALID_CARD", "card.cvv"),
        ({"cvv": 123}, "INVALID_CARD", "card.cvv"),
        ({"number": "378282246310005"}, "INVALID_CARD", "card.cvv"),
        ({"expiry_month": 0}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_month": 13}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_month": "١٢"}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_month": 5.0}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_month": True}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_month": 10**30}, "INVALID_CARD", "card.expiry_month"),
        ({"expiry_year": "203"}, "INVALID_CARD", "card.expiry_year"),
        ({"expiry_year": -30}, "INVALID_CARD", "card.expiry_year"),
        ({"expiry_year": "24"}, "EXPIRED_CARD", "card.expiry_year"),
        ({"expiry_year": 2024}, "EXPIRED_CARD", "card.expiry_year"),
        ({"holder_name": ""}, "INVALID_CARD", "card.holder_name"),
        ({"holder_name": "a\0b"}, "INVALID_CARD", "card.holder_name"),
        ({"holder_name": "x" * 256}, "INVALID_CARD", "card.holder_name"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused(merchant: Person, rows, change, code, field) -> None:
    body = {"order_id": merchant.order()["id"], "method": "card", "card": CARD | change}
    answer = merchant.post("/payments", body)
    assert refusal(answer) == (400, code), answer.text
    assert answer.json["error"]["field"] == field
    assert rows("SELECT * FROM payments") == []


@pytest.mark.parametrize("missing", sorted(CARD))
def test_each_field_of_a_card_is_required(merchant: Person, missing: str) -> None:
    card = {name: value for name, value in CARD.items() if name != missing}
    answer = merchant.post("/payments", {"order_id": merchant.order()["id"], "method": "card", "card": card})
    assert refusal(answer) == (400, "INVALID_CARD")
    assert answer.json["error"]["field"] == f"card.{missing}"


def test_a_card_is_good_to_the_end_of_its_month(merchant: Person) -> None:
    from gateway.core import clock

    now = clock.now()
    body = {"order_id": merchant.order()["id"], "method": "card"}
    this_month = CARD | {"expiry_month": f"{now.month:02}", "expiry_year": f"{now.year % 100:02}"}
    assert merchant.post("/payments", body | {"card": this_month}).status_code == 201
    month, year = (now.month - 1, now.year) if now.month > 1 else (12, now.year - 1)
    last_month = CARD | {"expiry_month": month, "expiry_year": year}
    assert refusal(merchant.post("/payments", body | {"card": last_month})) == (400, "EXPIRED_CARD")


@pytest.mark.parametrize("order_id", [None, 5, True, "", "order_1", "pay_0123456789abcdef", [], {}])
def test_an_order_id_that_is_none_is_refused(merchant: Person, order_id: object) -> None:
    answer = merchant.post("/payments", {"order_id": order_id, "method": "upi", "vpa": "a@b"})
    if isinstance(order_id, str):
        assert refusal(answer) == (404, "NOT_FOUND_ERROR")
        assert answer.json["error"]["description"] == "Order not found"
    else:
        assert refusal(answer) == (400, "BAD_REQUEST_ERROR")
        assert answer.json["error"]["field"] == "order_id"


def test_checks_come_in_the_order_of_the_contract(merchant: Person, rival: Person) -> None:
    """Credentials, then idempotency, then the order, then the method's fields."""
    order = merchant.order()
    wrong = {"order_id": order["id"], "method": "card", "card": CARD | {"number": "1"}}
    used = {"Idempotency-Key": "used"}
    merchant.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "a@b"}, headers=used)
    stranger = {"X-Api-Secret": "wrong"}
    assert refusal(merchant.post("/payments", wrong, headers=used | stranger))[0] == 401
    assert refusal(merchant.post("/payments", wrong, headers=used))[0] == 422
    assert refusal(rival.post("/payments", wrong))[0] == 404
    assert refusal(merchant.post("/payments", wrong)) == (400, "INVALID_CARD")


def test_a_rival_sees_neither_order_nor_payment(merchant: Person, rival: Person) -> None:
    payment = merchant.pay()
    assert refusal(rival.get(f"/payments/{payment['id']}")) == (404, "NOT_FOUND_ERROR")
    assert refusal(rival.get(f"/orders/{payment['order_id']}")) == (404, "NOT_FOUND_ERROR")
    body = {"order_id": payment["order_id"], "method": "upi", "vpa": "a@b"}
    assert rival.post("/payments", body).json["error"]["description"] == "Order not found"


def test_the_checkout_may_pay_and_look_without_credentials(merchant: Person, visitor) -> None:
    order = merchant.order()
    body = {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"}
    answer = visitor.post("/api/v1/payments/public", json=body)
    assert answer.status_code == 201
    public = {"id", "order_id", "status", "amount", "currency", "method", "error_description"}
    assert set(answer.json) == public
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    seen = visitor.get(f"/api/v1/payments/{answer.json['id']}/public")
    assert set(seen.json) == public
    assert merchant.payment(answer.json["id"])["status"] == "pending"
    wrong = visitor.post("/api/v1/payments/public", json=body | {"vpa": "x"})
    assert refusal(wrong) == (400, "INVALID_VPA")
    assert wrong.headers["Access-Control-Allow-Origin"] == "*"


def test_only_the_public_routes_answer_browsers_of_other_origins(merchant: Person, visitor) -> None:
    preflight = visitor.options("/api/v1/payments/public")
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, "*")
    for path in ("/api/v1/payments", "/api/v1/orders", "/health", "/api/v1/test/merchant"):
        assert "Access-Control-Allow-Origin" not in visitor.options(path).headers
        assert "Access-Control-Allow-Origin" not in merchant.client.get(path).headers


def test_the_public_route_is_limited_for_each_address(merchant: Person, visitor, monkeypatch) -> None:
    from gateway.web import ratelimit

    ratelimit.forget()
    path = f"/api/v1/orders/{merchant.order()['id']}/public"
    monkeypatch.setattr(ratelimit, "limit_per_minute", lambda: 3)
    assert [visitor.get(path).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = visitor.get(path)
    assert refusal(refused) == (429, "RATE_LIMIT_ERROR")
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert visitor.get(path, environ_overrides=elsewhere).status_code == 200
    ratelimit.forget()
