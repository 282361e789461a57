"""The catalogue: every language says everything."""

import re
import string

import pytest

from gateway.adapters.acquirer import NOT_APPROVED
from gateway.adapters.sandbox import _DECLINED
from gateway.checkout.words import CATALOGUE, LANGUAGES, NAMES, Words
from tests.conftest import PROJECT

USED = re.compile(r"""\bt\("([a-z_]+)\"""")


def test_every_language_has_every_word_with_the_same_gaps() -> None:
    assert list(CATALOGUE) == list(LANGUAGES) == list(NAMES)
    english = CATALOGUE["en"]
    for language in LANGUAGES[1:]:
        own = CATALOGUE[language]
        assert own.keys() == english.keys()
        for name, text in own.items():
            assert gaps(text) == gaps(english[name]), (language, name)
            assert text.strip(), (language, name)


def gaps(text: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(text) if name}


def test_templates_use_words_that_are_there() -> None:
    used = {
        name
        for path in (PROJECT / "templates" / "checkout").iterdir()
        for name in USED.findall(path.read_text())
    }
    assert len(used) > 30
    assert used <= CATALOGUE["en"].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_banks_say_is_translated_where_it_is_known(language: str) -> None:
    words = Words(language)
    assert words.of_bank("Insufficient funds") == "Insufficient funds"
    assert words.of_bank(None) == ""
    assert (
        words.of_bank("Payment was declined by the bank")
        == CATALOGUE[language]["Payment was declined by the bank"]
    )


def test_what_the_gateway_itself_says_of_a_payment_is_known() -> None:
    for answer in (NOT_APPROVED, _DECLINED):
        assert answer.description in CATALOGUE["hi"]
