"""The API described by OpenAPI 3.1: generated from the models that validate, so it cannot fall behind."""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from re import findall
from typing import Any

import orjson
from flask import Blueprint, Response, request
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from gateway.api import views
from gateway.api.operations import IDS, OPERATIONS, Operation, Schema
from gateway.core.errors import CODES
from gateway.domain.idempotency import MAX_KEY_LENGTH

openapi = Blueprint("openapi", __name__, url_prefix="/api/v1")

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Orders, payments by UPI and card, refunds and signed webhooks.

Amounts are integers of minor units, such as paise. A number with a decimal point is refused, also 5.0,
which JSON Schema calls an integer. Fields that nobody knows are ignored. Times are in UTC.

Some requests that fit the schemas are refused all the same: a card number with a wrong check digit, an
amount below its currency's minimum, an order that is not yours. Every refusal has the shape of `Error`
and one of these codes:

"""
_HEADERS: dict[str, Schema] = {
    "X-Request-Id": {"description": "Names this request", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    "Idempotent-Replayed": {
        "description": "`true` when this is the answer to the first request with the key",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
# Refusals that say when to come back.
_WAITING = (409, 429, 503)
_SECURITY = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "ApiSecret": {"type": "apiKey", "in": "header", "name": "X-Api-Secret"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The same pair"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request sent again with the same key gets the same bytes, and is not done twice",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[ -~]+$"},
}


@openapi.get("/openapi.json")
def get_openapi() -> Response:
    body, etag = _encoded()
    response = Response(body, mimetype="application/json")
    response.set_etag(etag)
    response.make_conditional(request)
    return response


@lru_cache(maxsize=1)
def _encoded() -> tuple[bytes, str]:
    body = orjson.dumps(document())
    return body, sha256(body).hexdigest()[:32]


def document() -> dict[str, Any]:
    """The whole description as JSON."""
    schemas, components = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    refused = [each for operation in OPERATIONS for each in _refused(operation)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Payment gateway", "version": "1", "description": _DESCRIPTION + codes_table()},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {_name(*each): _refusal(*each) for each in refused},
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def codes_table() -> str:
    """Every code in Markdown; README shows the same table."""
    lines = ["| code | status | when | what to do |", "|---|---|---|---|"]
    for code, status, when, advice in CODES:
        lines.append(f"| `{code}` | {status or '–'} | {when} | {advice} |")
    return "\n".join(lines) + "\n"


class _Generator(GenerateJsonSchema):
    """Without titles, which only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schemas() -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each body and answer by operation, and the components they refer to."""
    wanted: list[tuple[Any, Any, TypeAdapter[Any]]] = [("error", "serialization", TypeAdapter(views.Error))]
    for operation in OPERATIONS:
        if operation.body is not None:
            wanted.append(((operation.name, "body"), "validation", TypeAdapter(operation.body)))
        for status, view in operation.answers.items():
            wanted.append(((operation.name, status), "serialization", TypeAdapter(view)))
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF, schema_generator=_Generator)
    return {key: schema for (key, _mode), schema in found.items()}, definitions["$defs"]


def _operation(operation: Operation, schemas: dict[Any, Schema]) -> dict[str, Any]:
    answers = {
        str(status): _answer(operation, status, schemas[operation.name, status])
        for status in operation.answers
    }
    refusals = {
        str(status): {"$ref": f"#/components/responses/{_name(status, codes)}"}
        for status, codes in _refused(operation)
    }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [_tag(operation.path)],
        "summary": operation.summary,
        "security": [{"ApiKey": [], "ApiSecret": []}, {"Basic": []}] if operation.asker == "merchant" else [],
        "parameters": list(_parameters(operation)),
        "responses": dict(sorted((refusals | answers).items())),
    }
    if operation.body is not None:
        described["requestBody"] = _body(operation, schemas[operation.name, "body"])
    return described


def _tag(path: str) -> str:
    """The noun that an address begins with."""
    return path.removeprefix("/api/v1").split("/")[1].partition(".")[0]


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in findall(r"{(\w+)}", operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": IDS[name]}
    for name, schema in operation.query.items():
        yield {"name": name, "in": "query", "schema": schema}
    if operation.is_idempotent:
        yield _IDEMPOTENCY_KEY


def _body(operation: Operation, schema: Schema) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in operation.examples.items()}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"required": not operation.is_body_optional, "content": content}


def _answer(operation: Operation, status: int, schema: Schema) -> dict[str, Any]:
    names = ["X-Request-Id", "Idempotent-Replayed"] if operation.is_idempotent else ["X-Request-Id"]
    described = {"description": HTTPStatus(status).phrase, "headers": _headers(names)}
    if operation.answers[status] is not None:
        described["content"] = {"application/json": {"schema": schema}}
    return described


def _refused(operation: Operation) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The codes that the operation may answer with, by status."""
    pairs = {(kind.status, kind.code) for kind in operation.all_refusals()} | {(500, "SERVER_ERROR")}
    for status in sorted({status for status, _ in pairs} - set(operation.answers)):
        yield status, tuple(sorted(code for each, code in pairs if each == status))


def _name(status: int, codes: tuple[str, ...]) -> str:
    return "-".join([str(status), *codes])


def _refusal(status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    code = {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}
    schema = {"allOf": [{"$ref": _REF.format(model="Error")}, code]}
    meanings = [f"`{row[0]}`: {row[2]} {row[3]}" for row in CODES if row[1] == status and row[0] in codes]
    return {
        "description": "\n\n".join(meanings),
        "headers": _headers(["X-Request-Id", "Retry-After"] if status in _WAITING else ["X-Request-Id"]),
        "content": {"application/json": {"schema": schema}},
    }


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
