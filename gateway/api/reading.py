"""From requests to values."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel

from gateway.core.errors import BadRequest
from gateway.core.validation import validate
from gateway.domain.listing import Wanted
from gateway.web.requests import this_request

M = TypeVar("M", bound=BaseModel)

MAX_OFFSET = 1_000_000_000


def json_body() -> dict[str, Any]:
    """The request's JSON object, parsed once."""
    return this_request().json_object


def read(model: type[M]) -> M:
    """The request's JSON object as a `model`. Raises BadRequest naming the first wrong field."""
    return validate(model, json_body())


def read_if_any(model: type[M]) -> M:
    """Like `read`, where a request without a body means an empty object."""
    return read(model) if request.get_data() else validate(model, {})


def limit() -> int:
    """`limit` of a list: 1 to 100, default 10."""
    return number("limit", 10, 1, 100)


def wanted(**choices: Collection[str] | None) -> Wanted:
    """The page of a list that the query asks for.

    choices  the fields that may be filtered by, each with the words it may be,
             or None where any text will do
    """
    if "after" in request.args and "offset" in request.args:
        raise BadRequest("after and offset cannot be used together", field="after")
    return Wanted(
        limit=limit(),
        offset=number("offset", 0, 0, MAX_OFFSET),
        after=_text("after", None),
        where={name: text for name, words in choices.items() if (text := _text(name, words)) is not None},
        created_from=_moment("created_from"),
        created_to=_moment("created_to"),
    )


def _text(name: str, words: Collection[str] | None) -> str | None:
    text = request.args.get(name)
    if text is not None and words is not None and text not in words:
        raise BadRequest(f"{name} must be one of {', '.join(words)}", field=name)
    if text is not None and "\0" in text:
        raise BadRequest(f"{name} must not contain U+0000", field=name)
    return text


def _moment(name: str) -> datetime | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} must be a time such as 2026-01-15T10:31:00Z", field=name) from None


def number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from {least} to {most}", field=name)
    return int(text)
