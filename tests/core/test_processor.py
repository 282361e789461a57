"""Plain values between us and a processor."""

import pytest

from gateway.core.processor import Card, Outcome
from gateway.core.sending import Receipt


def test_only_success_and_failure_are_final() -> None:
    assert {outcome.value for outcome in Outcome if outcome.is_final} == {"success", "failed"}


@pytest.mark.parametrize("printed", [repr, str, "{}".format])
def test_a_printed_card_shows_neither_number_nor_cvv_nor_name(printed) -> None:
    card = Card("4111111111111111", 12, 2030, "987", "Asha Rao", "visa")
    assert printed(card) == "<Card visa …1111>"
    assert card.last4 == "1111"


def test_a_card_inside_something_printed_stays_hidden() -> None:
    card = Card("4111111111111111", 12, 2030, "987", "Asha Rao", "visa")
    assert "411111111111" not in f"{[card]} {(card,)}"


def test_only_a_2xx_receipt_is_success() -> None:
    assert Receipt("success", 5).is_success
    for outcome in ("refused", "timeout", "unreachable", "blocked"):
        assert not Receipt(outcome, 5).is_success
