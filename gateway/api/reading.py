"""From requests to values."""

from typing import Any, TypeVar

from flask import g, request
from pydantic import BaseModel

from gateway.core.errors import BadRequest
from gateway.core.validation import parse_object, validate

M = TypeVar("M", bound=BaseModel)

MAX_OFFSET = 1_000_000_000


def json_body() -> dict[str, Any]:
    """The request's JSON object, parsed once."""
    if "json_body" not in g:
        g.json_body = parse_object(request.get_data(cache=False))
    body: dict[str, Any] = g.json_body
    return body


def read(model: type[M]) -> M:
    """The request's JSON object as a `model`. Raises BadRequest naming the first wrong field."""
    return validate(model, json_body())


def paging() -> tuple[int, int]:
    """`limit` (1 to 100, default 10) and `offset` (default 0) of a list."""
    return _number("limit", 10, 1, 100), _number("offset", 0, 0, MAX_OFFSET)


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from {least} to {most}", field=name)
    return int(text)
