"""From untrusted JSON to values: one strict way in."""

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gateway.core.errors import BadRequest
from gateway.core.validation import Amount, Body, Text, parse_object, validate


class Inner(Body):
    word: Text


class Everything(Body):
    """One field of each kind that the API knows, none of them required."""

    amount: Annotated[Amount, Field(ge=100)] = 100
    text: Annotated[Text, Field(min_length=1, max_length=5)] | None = None
    flag: bool | None = None
    notes: Annotated[dict[Text, Text], Field(max_length=2)] | None = None
    events: list[Text] | None = None
    method: Literal["upi", "card"] | None = None
    inner: Inner | None = None


class Strict(Body):
    amount: Amount


def refused(**value: Any) -> BadRequest:
    with pytest.raises(BadRequest) as refusal:
        validate(Everything, value)
    return refusal.value


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"{", b"}", b"{,}", b'{"a":}', b"{'a':1}", b'{"a":1,}', b"\xff\xfe", b'{"a":"\xff"}', b"nul",
     b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":1}{"b":2}', b'{"a":"\x00"}',
     b'{"a":"\\ud800"}', b'{"a":"\\udc00x"}', b'{"\\ud800":1}', b'{"a":"\xed\xa0\x80"}',
     b'\xef\xbb\xbf{"a":1}', b'{"a":"\\x41"}', b"{" * 50],
)  # fmt: skip
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_object(raw)
    assert (refusal.value.status, refusal.value.code) == (400, "BAD_REQUEST_ERROR")
    assert refusal.value.description == "The request body is not valid JSON"


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000],
    ids=["open", "closed", "objects"],
)
def test_a_hundred_thousand_brackets_are_refused_and_crash_nothing(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_object(raw)


@pytest.mark.parametrize("raw", [b"[]", b"[{}]", b"null", b"true", b"5", b"5.5", b'"text"'])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_object(raw)
    assert refusal.value.description == "The request body must be a JSON object"


def test_an_object_comes_back_as_it_is() -> None:
    raw = '{"a":1,"b":{"c":["₹ 🎁",null,true]},"d":"\\ud83c\\udf81"}'.encode()
    assert parse_object(raw) == {"a": 1, "b": {"c": ["₹ 🎁", None, True]}, "d": "🎁"}


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(raw: bytes) -> None:
    try:
        assert isinstance(parse_object(raw), dict)
    except BadRequest:
        pass


NOT_INTEGERS = [
    b"true", b"false", b"null", b"5.0", b"100.0", b"1e2", b"1E2", b'"100"', b'""', b"[]", b"[100]", b"{}",
    b"18446744073709551616", b"1" + b"0" * 30, b"-1" + b"0" * 30, b"1" + b"0" * 300,
]  # fmt: skip


@pytest.mark.parametrize("raw", NOT_INTEGERS, ids=lambda raw: raw.decode()[:22])
def test_an_amount_is_an_integer_and_nothing_that_looks_like_one(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        validate(Everything, parse_object(b'{"amount":' + raw + b"}"))
    assert refusal.value.field == "amount"
    description = refusal.value.description
    assert description.startswith(("amount must be an integer", "amount must be at ")), description


@pytest.mark.parametrize("value", [True, False, 5.0, float("nan"), float("inf"), "100", b"100", None, 10**40])
def test_an_amount_from_python_is_taken_as_strictly(value: object) -> None:
    with pytest.raises(BadRequest) as refusal:
        validate(Strict, {"amount": value})
    assert refusal.value.field == "amount"


def test_an_amount_has_a_least_and_a_most() -> None:
    assert validate(Everything, {"amount": 100}).amount == 100
    assert validate(Everything, {"amount": 9_999_999_999}).amount == 9_999_999_999
    assert refused(amount=99).description == "amount must be at least 100"
    assert refused(amount=-(10**18)).description == "amount must be at least 100"
    assert refused(amount=10_000_000_000).description == "amount must be at most 9999999999"


@pytest.mark.parametrize(
    ("field", "wrong", "description"),
    [
        ("text", 5, "text must be a string"),
        ("text", True, "text must be a string"),
        ("text", 5.5, "text must be a string"),
        ("text", [], "text must be a string"),
        ("text", {}, "text must be a string"),
        ("text", b"bytes", "text must be a string"),
        ("text", "", "text must have at least 1 characters"),
        ("text", "abcdef", "text must have at most 5 characters"),
        ("text", "a\0b", "text must not contain U+0000"),
        ("flag", 1, "flag must be true or false"),
        ("flag", 0, "flag must be true or false"),
        ("flag", "true", "flag must be true or false"),
        ("flag", [], "flag must be true or false"),
        ("notes", [], "notes must be an object"),
        ("notes", "a", "notes must be an object"),
        ("notes", 5, "notes must be an object"),
        ("notes", True, "notes must be an object"),
        ("notes", {"a": "1", "b": "2", "c": "3"}, "notes must have at most 2 entries"),
        ("notes", {"a": 1}, "notes.a must be a string"),
        ("notes", {"a": None}, "notes.a must be a string"),
        ("notes", {"a": {}}, "notes.a must be a string"),
        ("notes", {"a": "x\0"}, "notes.a must not contain U+0000"),
        ("events", "payment.success", "events must be an array"),
        ("events", {}, "events must be an array"),
        ("events", [1], "events.0 must be a string"),
        ("method", "cash", "method must be 'upi' or 'card'"),
        ("method", "UPI", "method must be 'upi' or 'card'"),
        ("method", 1, "method must be 'upi' or 'card'"),
        ("method", [], "method must be 'upi' or 'card'"),
        ("method", {}, "method must be 'upi' or 'card'"),
        ("inner", "x", "inner must be an object"),
        ("inner", [], "inner must be an object"),
        ("inner", 5, "inner must be an object"),
        ("inner", {}, "inner.word is required"),
        ("inner", {"word": 5}, "inner.word must be a string"),
    ],
)
def test_each_kind_refuses_what_is_of_another_kind(field: str, wrong: object, description: str) -> None:
    refusal = refused(**{field: wrong})
    assert refusal.description == description
    assert refusal.description.startswith(refusal.field or "nothing")
    assert (refusal.status, refusal.code) == (400, "BAD_REQUEST_ERROR")


def test_a_key_with_a_nul_is_refused_like_a_value() -> None:
    assert "U+0000" in refused(notes={"a\0": "x"}).description


def test_a_missing_field_is_required_by_name() -> None:
    with pytest.raises(BadRequest) as refusal:
        validate(Strict, {})
    assert (refusal.value.field, refusal.value.description) == ("amount", "amount is required")


def test_fields_nobody_knows_are_dropped() -> None:
    taken = validate(Everything, {"amount": 500, "shoe_size": 43, "__class__": "x", "model_config": {}})
    assert taken.model_dump(exclude_unset=True) == {"amount": 500}


def test_a_text_may_hold_any_other_character() -> None:
    assert validate(Inner, {"word": "₹\t\n\u200b🎁'\"\\"}).word == "₹\t\n\u200b🎁'\"\\"


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    for value in ({"text": 4111111111111111}, {"method": "4111111111111111"}, {"amount": "4111111111111111"}):
        refusal = refused(**value)
        assert "4111111111111111" not in refusal.description
        assert refusal.__cause__ is None
        assert refusal.__suppress_context__


def test_the_schema_says_that_five_point_zero_is_refused() -> None:
    schema = Everything.model_json_schema()["properties"]["amount"]
    assert schema["type"] == "integer"
    assert "5.0" in schema["description"]
