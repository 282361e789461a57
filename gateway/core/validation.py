"""From untrusted JSON to values: one strict way in, one wording of what is wrong."""

from typing import Annotated, Any, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError

from gateway.core.errors import BadRequest
from gateway.core.money import MAX_AMOUNT

M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """A JSON object. Fields nobody knows are ignored, known ones are taken strictly."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True, frozen=True)


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain U+0000")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Amount = Annotated[
    int,
    Strict(),
    Field(
        le=MAX_AMOUNT,
        description="Integer of minor units. A number with a decimal point is refused, also 5.0.",
    ),
]


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises BadRequest for anything else, lone surrogates included."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequest("The request body is not valid JSON", reason="malformed_json") from None
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object", reason="not_an_object")
    return value


def validate(model: type[M], value: dict[str, Any]) -> M:
    """`value` as a `model`. Raises BadRequest naming the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        field, complaint = first_complaint(error)
        raise BadRequest(complaint, field=field) from None


def first_complaint(error: ValidationError) -> tuple[str, str]:
    """The dotted name of the first wrong field, and a sentence about it."""
    detail = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in detail["loc"]) or "body"
    context = detail.get("ctx", {})
    wording = _WORDINGS.get(detail["type"])
    if wording is None:
        text = str(context["error"]) if "error" in context else detail["msg"]
    else:
        unit = "characters" if context.get("field_type") == "Value" else "entries"
        text = wording.format(unit=unit, **context)
    return field, f"{field} {text}"


_WORDINGS = {
    "missing": "is required",
    "int_type": "must be an integer",
    "int_parsing_size": "must be an integer",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be an array",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} {unit}",
    "too_long": "must have at most {max_length} {unit}",
    "literal_error": "must be {expected}",
}
