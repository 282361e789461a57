"""Identifiers: their form, and that nobody can guess the next one."""

import re
from collections import Counter

import pytest

from gateway.core.ids import ALPHABET, is_id, is_uuid, new_id


@pytest.mark.parametrize("prefix", ["order", "pay", "rfnd", "evt", "we"])
def test_an_id_is_its_prefix_and_sixteen_letters_and_digits(prefix: str) -> None:
    for _ in range(200):
        made = new_id(prefix)
        assert re.fullmatch(rf"{prefix}_[A-Za-z0-9]{{16}}", made)
        assert is_id(prefix, made)


def test_the_alphabet_is_base_62() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 62
    assert re.fullmatch(r"[A-Za-z0-9]+", ALPHABET)


def test_no_two_ids_are_alike() -> None:
    assert len({new_id("pay") for _ in range(50_000)}) == 50_000


def test_every_place_of_an_id_holds_every_letter_about_as_often() -> None:
    made = [new_id("x")[2:] for _ in range(12_400)]
    for place in range(16):
        counted = Counter(text[place] for text in made)
        assert set(counted) == set(ALPHABET), place
        # 200 of each are expected; seven standard deviations off is no accident.
        assert all(100 < count < 300 for count in counted.values()), (place, counted)


@pytest.mark.parametrize(
    "text",
    ["", "pay_", "pay_0123456789abcde", "pay_0123456789abcdef0", "order_0123456789abcdef",
     "PAY_0123456789abcdef", "pay-0123456789abcdef", "pay_0123456789abcde\n", "pay_0123456789abcd_f",
     "pay_०123456789abcdef", None, 5, b"pay_0123456789abcdef", ["pay_0123456789abcdef"]],
)  # fmt: skip
def test_another_form_is_no_id(text: object) -> None:
    assert not is_id("pay", text)


def test_a_uuid_is_lower_case_with_dashes() -> None:
    assert is_uuid("550e8400-e29b-41d4-a716-446655440000")
    for text in (
        "550E8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "550e8400-e29b-41d4-a716-446655440000\n",
        "550e8400-e29b-41d4-a716-44665544000g",
        "",
        None,
        7,
    ):
        assert not is_uuid(text)
