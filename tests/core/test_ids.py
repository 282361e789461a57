"""Identifiers: their form, and that nobody can guess the next one."""

import os
import re
import uuid
from collections import Counter

import pytest

from gateway.core.ids import ALPHABET, is_id, is_uuid, new_id, new_uuid


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


def test_a_new_uuid_is_a_random_one_in_our_form() -> None:
    made = {new_uuid() for _ in range(5_000)}
    assert len(made) == 5_000
    for text in made:
        assert is_uuid(text)
        read = uuid.UUID(text)
        assert (read.version, read.variant) == (4, uuid.RFC_4122)


def test_a_forked_process_does_not_give_out_its_parents_ids() -> None:
    new_id("x")  # from now on there is randomness in store
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "".join(new_id("x") for _ in range(20)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    theirs = os.read(reader, 10_000).decode()
    os.close(reader)
    assert not any(new_id("x") in theirs for _ in range(300))
