"""Orders over the API."""

import pytest

from tests.conftest import Person


def test_an_order_comes_back_as_it_was_asked_for(merchant: Person) -> None:
    notes = {"कुंजी": "मूल्य 🙂", "table": "7"}
    answer = merchant.post("/orders", {"amount": 50000, "currency": "INR", "receipt": "r-१", "notes": notes})
    assert answer.status_code == 201
    order = answer.json
    assert order["id"].startswith("order_") and len(order["id"]) == len("order_") + 16
    assert order["merchant_id"] == merchant.merchant_id
    assert order["created_at"].endswith("Z")
    expected = {"amount": 50000, "currency": "INR", "receipt": "r-१", "notes": notes, "status": "created"}
    assert order | expected == order
    assert merchant.get(f"/orders/{order['id']}").json == order


def test_currency_defaults_to_inr_and_notes_to_none(merchant: Person) -> None:
    order = merchant.post("/orders", {"amount": 100}).json
    assert (order["currency"], order["receipt"], order["notes"]) == ("INR", None, {})


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({}, "amount", "amount is required"),
        ({"amount": 99}, "amount", "amount must be at least 100"),
        ({"amount": 0}, "amount", "amount must be at least 100"),
        ({"amount": -500}, "amount", "amount must be at least 100"),
        ({"amount": 10_000_000_000}, "amount", "amount must be at most 9999999999"),
        ({"amount": 10**19}, "amount", "amount must be at most 9999999999"),
        ({"amount": 500.5}, "amount", "amount must be an integer"),
        ({"amount": 500.0}, "amount", "amount must be an integer"),
        ({"amount": "500"}, "amount", "amount must be an integer"),
        ({"amount": True}, "amount", "amount must be an integer"),
        ({"amount": None}, "amount", "amount must be an integer"),
        ({"amount": [500]}, "amount", "amount must be an integer"),
        (
            {"amount": 500, "currency": "inr"},
            "currency",
            "currency must be an ISO 4217 currency code such as INR",
        ),
        ({"amount": 500, "currency": "XXX"}, "currency", None),
        ({"amount": 500, "currency": ""}, "currency", None),
        ({"amount": 500, "currency": None}, "currency", "currency must be a string"),
        ({"amount": 500, "currency": 1}, "currency", "currency must be a string"),
        ({"amount": 999, "currency": "KRW"}, "amount", "amount must be at least 1000"),
        ({"amount": 500, "receipt": "r" * 256}, "receipt", "receipt must have at most 255 characters"),
        ({"amount": 500, "receipt": 7}, "receipt", "receipt must be a string"),
        ({"amount": 500, "receipt": "a\0b"}, "receipt", "receipt must not contain U+0000"),
        ({"amount": 500, "notes": "n"}, "notes", "notes must be an object"),
        ({"amount": 500, "notes": ["n"]}, "notes", "notes must be an object"),
        ({"amount": 500, "notes": {"k": 1}}, "notes.k", "notes.k must be a string"),
        ({"amount": 500, "notes": {"k": None}}, "notes.k", "notes.k must be a string"),
        ({"amount": 500, "notes": {"k": "v" * 257}}, "notes.k", "notes.k must have at most 256 characters"),
        (
            {"amount": 500, "notes": {str(n): "v" for n in range(16)}},
            "notes",
            "notes must have at most 15 entries",
        ),
        ({"amount": 500, "notes": {"a\0": "v"}}, None, None),
        ({"amount": 500, "notes": {"k": "a\0b"}}, "notes.k", "notes.k must not contain U+0000"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(merchant: Person, rows, body, field, text) -> None:
    answer = merchant.post("/orders", body)
    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (400, "BAD_REQUEST_ERROR")
    assert field in (error["field"], None)
    assert text in (error["description"], None)
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert rows("SELECT * FROM orders") == []


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 9_999_999_999},
        {"amount": 100, "receipt": "₹" * 255},
        {"amount": 100, "receipt": None, "notes": None},
        {"amount": 100, "notes": {f"{n}" * 10: "🙂" * 256 for n in range(15)}},
        {"amount": 1000, "currency": "KWD"},
    ],
)
def test_what_is_just_within_the_limits_is_taken(merchant: Person, body) -> None:
    assert merchant.post("/orders", body).status_code == 201


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"5",
        b'{"amount": NaN}',
        b'{"amount": 1' + b"0" * 400 + b"}",
        b'{"amount": 500, "receipt": "\\ud800"}',
        b'{"amount": 500}{"amount": 500}',
        b"\xff\xfe",
        b"amount=500",
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ],
)
def test_what_is_no_json_object_is_refused(merchant: Person, rows, raw: bytes) -> None:
    answer = merchant.ask("POST", "/orders", data=raw, content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "BAD_REQUEST_ERROR")
    assert rows("SELECT * FROM orders") == []


def test_a_body_that_is_too_large_is_refused(merchant: Person, rows) -> None:
    answer = merchant.post("/orders", {"amount": 500, "receipt": "x" * 1_000_000})
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert rows("SELECT * FROM orders") == []


def test_the_public_view_has_exactly_four_fields(merchant: Person, visitor) -> None:
    order = merchant.order(12300, receipt="secret receipt")
    answer = visitor.get(f"/api/v1/orders/{order['id']}/public")
    assert answer.json == {"id": order["id"], "amount": 12300, "currency": "INR", "status": "created"}
    assert visitor.get("/api/v1/orders/order_0000000000000000/public").status_code == 404


@pytest.mark.parametrize(
    "order_id", ["order_", "order_0000000000000000", "x", "order_' OR 1=1 --", "order_%00"]
)
def test_an_order_that_is_none_is_not_found(merchant: Person, order_id: str) -> None:
    answer = merchant.get(f"/orders/{order_id}")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND_ERROR")
