"""The OpenAPI document says what is true, and all of it.

Schemathesis makes requests from the document, right and wrong ones, and holds
the answers against it.
"""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis.checks import CHECKS, load_all_checks
from werkzeug.test import TestResponse

from gateway.api import openapi, views
from gateway.web import ratelimit
from tests.conftest import Office, Person

DOCUMENT = openapi.document()
PATH = "/api/v1/openapi.json"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def named(name: str) -> tuple[str, str, dict[str, Any]]:
    return next(each for each in operations() if each[2]["operationId"] == name)


@pytest.fixture
def ids(merchant: Person, office: Office, wait) -> dict[str, str]:
    """One real thing of the merchant for each variable in a path."""
    ratelimit.forget()
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    payment = merchant.pay(merchant.order(50_000))
    wait(2)
    office.settle()
    refund = merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 1}).json
    office.deliver()
    return {
        "order_id": merchant.order(60_000)["id"],
        "payment_id": payment["id"],
        "refund_id": refund["id"],
        "delivery_id": merchant.get("/webhooks").json["data"][0]["id"],
        "event_id": merchant.get("/events").json["data"][0]["id"],
    }


def ask(person: Person, method: str, path: str, **more: Any) -> TestResponse:
    """A request with the person's credentials to any path, not only one of the API."""
    headers = {"X-Api-Key": person.key, "X-Api-Secret": person.secret} | more.pop("headers", {})
    return person.client.open(path, method=method, headers=headers, **more)


def with_real_ids(value: Any, ids: dict[str, str]) -> Any:
    """A body that names the merchant's own order, where it names one."""
    return value | {"order_id": ids["order_id"]} if "order_id" in as_object(value) else value


def as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def examples(operation: dict[str, Any], ids: dict[str, str]) -> list[Any]:
    """The document's example bodies; one of None where no body is taken."""
    if "requestBody" not in operation:
        return [None]
    listed = operation["requestBody"]["content"]["application/json"]["examples"].values()
    return [with_real_ids(each["value"], ids) for each in listed]


def test_every_route_is_documented_and_nothing_else(app: Flask) -> None:
    routes = {}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/api/v1", "/health")):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            # Flask answers HEAD and OPTIONS by itself.
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                head, *tail = rule.endpoint.split(".")[-1].split("_")
                routes[method, path] = head + "".join(map(str.capitalize, tail))
    assert {(method, path): each["operationId"] for method, path, each in operations()} == routes


def test_it_is_served_to_anybody_and_valid(visitor) -> None:
    answer = visitor.get(PATH)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    validate(answer.json)
    assert answer.json == json.loads(json.dumps(DOCUMENT))


def test_it_is_sent_again_only_when_it_has_changed(visitor) -> None:
    etag = visitor.get(PATH).headers["ETag"]
    again = visitor.get(PATH, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert visitor.get(PATH, headers={"If-None-Match": '"other"'}).status_code == 200


def test_credentials_are_asked_for_where_it_says_so(visitor, ids) -> None:
    asks, says = set(), set()
    for method, path, operation in operations():
        if visitor.open(path.format(**ids), method=method).status_code == 401:
            asks.add(operation["operationId"])
        if operation["security"]:
            says.add(operation["operationId"])
    assert asks == says
    assert len(asks) > 20


def test_an_idempotency_key_is_honoured_where_it_says_so(merchant: Person, ids) -> None:
    honours, says = set(), set()
    for method, path, operation in operations():
        name = operation["operationId"]
        body = examples(operation, ids)[0]
        for _ in range(2):
            answer = ask(merchant, method, path.format(**ids), json=body, headers={"Idempotency-Key": name})
        if "Idempotent-Replayed" in answer.headers:
            honours.add(name)
        if "Idempotency-Key" in {each["name"] for each in operation["parameters"]}:
            says.add(name)
    assert honours == says == {"createOrder", "createPayment", "createRefund"}


def test_the_limits_of_a_query_are_the_real_ones(merchant: Person, ids) -> None:
    tried = set()
    for method, path, operation in operations():
        for parameter in operation["parameters"]:
            schema, name = parameter["schema"], parameter["name"]
            if parameter["in"] == "query" and schema["type"] == "integer":
                least, most = schema["minimum"], schema["maximum"]
                for value, status in ((least, 200), (most, 200), (least - 1, 400), (most + 1, 400)):
                    answer = ask(merchant, method, path.format(**ids), query_string={name: value})
                    assert answer.status_code == status, (operation["operationId"], name, value)
                tried.add(name)
    assert tried == {"limit", "offset", "after"}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("listOrders", "order_id"),
        ("listPayments", "payment_id"),
        ("listRefunds", "refund_id"),
        ("listRefundsOfPayment", "refund_id"),
        ("listWebhooks", "delivery_id"),
    ],
)
def test_a_page_behind_a_row_has_no_total(merchant: Person, ids, name: str, own: str) -> None:
    method, path, operation = named(name)
    answer = ask(merchant, method, path.format(**ids), query_string={"after": ids[own], "limit": 1})
    assert answer.status_code == 200, answer.text
    check(answer.json, operation["responses"]["200"])
    assert answer.json.keys() == {"data", "limit", "has_more"}


def test_every_example_is_taken(merchant: Person, ids) -> None:
    for method, path, operation in operations():
        for body in examples(operation, ids):
            answer = ask(merchant, method, path.format(**ids), json=body)
            assert answer.status_code == int(min(operation["responses"])) < 300, answer.text


def test_every_amount_says_that_5_0_is_refused() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("OrderBody", "UpiPayment", "CardPayment", "CaptureBody", "RefundBody"):
        assert "also 5.0" in json.dumps(schemas[name]["properties"]["amount"]), name


CARD = {"number": "4111111111111111", "expiry_month": 12, "expiry_year": 30, "cvv": "123", "holder_name": "A"}
NO_ORDER = {"order_id": "order_0000000000000000", "method": "upi", "vpa": "a@b"}


def card(**change: Any) -> dict[str, Any]:
    return {"order_id": "", "method": "card", "card": CARD | change}


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("createOrder", {"amount": 500.0}, 400, "BAD_REQUEST_ERROR"),
        ("createOrder", {"amount": 999, "currency": "KRW"}, 400, "BAD_REQUEST_ERROR"),
        ("createOrder", {"amount": 500, "receipt": "a\0b"}, 400, "BAD_REQUEST_ERROR"),
        ("createPayment", NO_ORDER, 404, "NOT_FOUND_ERROR"),
        ("createPayment", card(number="4111111111111112"), 400, "INVALID_CARD"),
        ("createPayment", card(expiry_year=24), 400, "EXPIRED_CARD"),
        ("createRefund", {"amount": 9_999_999_999}, 400, "BAD_REQUEST_ERROR"),
        ("capturePayment", {"amount": 1}, 400, "BAD_REQUEST_ERROR"),
        ("saveWebhookConfig", {"webhook_url": "ftp://shop.example"}, 400, "BAD_REQUEST_ERROR"),
    ],
)
def test_what_a_schema_cannot_say_is_a_documented_refusal(
    merchant: Person, ids, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    method, path, operation = named(name)
    if body.get("order_id") == "":
        body = with_real_ids(body, ids)
    check(body, operation["requestBody"])
    answer = ask(merchant, method, path.format(**ids), json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    reference = operation["responses"][str(status)]["$ref"].rpartition("/")[2]
    check(answer.json, DOCUMENT["components"]["responses"][reference])


def check(value: Any, holder: dict[str, Any]) -> None:
    """That the value fits the schema of this request body or answer."""
    schema = holder["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(value)


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document for a stricter reader: answers hold nothing unnamed, and we bring our own credentials."""
    document = copy.deepcopy(document)
    for name, schema in document["components"]["schemas"].items():
        if hasattr(views, name) and "properties" in schema:
            schema["additionalProperties"] = False
    for methods in document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    return document


SCHEMA = schemathesis.openapi.from_dict(strict(DOCUMENT))
load_all_checks()
HELD = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
REFUSED = CHECKS.get_by_names(["negative_data_rejection"])


@SCHEMA.parametrize()
@settings(
    max_examples=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_answer_is_off_the_document(case: schemathesis.Case, app: Flask, merchant: Person, ids) -> None:
    """Each request as it was made up, and again with ids of things that are there."""
    ratelimit.forget()
    credentials = {"X-Api-Key": merchant.key, "X-Api-Secret": merchant.secret}
    case.validate_response(case.call(app=app, headers=credentials), checks=[*HELD, *REFUSED])
    if "{" in case.path or "order_id" in as_object(case.body):
        case.path_parameters = {each.name: ids[each.name] for each in case.operation.path_parameters}
        case.body = with_real_ids(case.body, ids)
        case.validate_response(case.call(app=app, headers=credentials), checks=HELD)
