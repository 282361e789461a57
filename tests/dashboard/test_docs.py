"""The docs page: whose keys it shows to whom, and that it says what is so."""

import dataclasses
import html
import re
from typing import Any

import pytest

from gateway.adapters.sandbox import SandboxBank
from gateway.core import config as settings
from gateway.core.errors import CODES
from gateway.core.processor import Card
from gateway.dashboard import docs
from gateway.models.webhooks import EVENTS, TEST_EVENT
from gateway.web import sdk
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/docs"
SECTIONS = ("api-docs", "section-create-order", "code-snippet-create-order", "section-sdk-integration")
SECTIONS += ("code-snippet-sdk", "section-webhook-verification", "code-snippet-webhook")


def code(page: Any) -> dict[tuple[str, str], str]:
    found = re.findall(r'data-snippet="([\w-]+)" data-language="(\w+)">(.*?)</code>', page.text, re.DOTALL)
    return {(name, language): html.unescape(text) for name, language, text in found}


def test_it_has_everything_that_others_look_for(visit: Visit) -> None:
    page = visit.get(PAGE)
    assert [each for each in SECTIONS if f'data-test-id="{each}"' not in page.text] == []


def test_every_snippet_is_there_in_every_language_with_ones_own_keys(visit: Visit) -> None:
    snippets = code(visit.get(PAGE))
    assert snippets.keys() == {
        *(
            (name, language)
            for name in (*docs.CALLS, "webhook")
            for language in ("curl", "python", "node", "php")
        ),
        ("sdk", "html"),
        ("sdk-pinned", "html"),
    }
    for (name, _), text in snippets.items():
        if name in docs.CALLS:
            assert "key_test_abc123" in text and "secret_test_xyz789" in text
    assert all("whsec_test_abc123" in text for (name, _), text in snippets.items() if name == "webhook")
    assert 'key: "key_test_abc123"' in snippets["sdk", "html"]
    assert "secret_" not in snippets["sdk", "html"]


def test_a_viewer_gets_the_key_and_no_secret(viewer: Visit) -> None:
    page = viewer.get(PAGE)
    assert "key_test_abc123" in page.text and "YOUR_API_SECRET" in page.text
    assert "secret_test_xyz789" not in page.text and "whsec_" not in page.text


def test_a_rival_gets_its_own(rival_visit: Visit) -> None:
    page = rival_visit.get(PAGE)
    assert "key_rival" in page.text and "secret_rival" in page.text
    assert "abc123" not in page.text


def test_production_shows_no_secret_and_no_test_data(visit: Visit, config: Any) -> None:
    settings.use(dataclasses.replace(config, env="production"))
    page = visit.get(PAGE)
    assert "YOUR_API_SECRET" in page.text and "success@sandbox" not in page.text.split('id="test-data"')[1]
    assert "secret_test_xyz789" not in page.text and "whsec_" not in page.text


def test_code_calls_the_api_and_the_sdk_comes_from_the_checkout(visit: Visit, config: Any) -> None:
    elsewhere = dataclasses.replace(
        config,
        api_url="https://api.example",
        checkout_url="https://pay.example",
        public_url="https://x.example",
    )
    settings.use(elsewhere)
    snippets = code(visit.get(PAGE))
    for (name, _), text in snippets.items():
        if name in docs.CALLS:
            assert f"https://api.example{docs.CALLS[name].path}" in text
    assert '<script src="https://pay.example/checkout.js">' in snippets["sdk", "html"]
    assert f'<script src="{sdk.sdk_url()}"' in snippets["sdk-pinned", "html"]
    assert f'integrity="{sdk.integrity()}"' in snippets["sdk-pinned", "html"]


def test_every_code_event_and_wait_is_told(visit: Visit, config: Any) -> None:
    page = html.unescape(re.sub(r"<[^>]+>", "", visit.get(PAGE).text))
    for name, status, situation, remedy in CODES:
        assert name in page and (status is None or str(status) in page)
        assert situation.replace("`", "") in page and remedy.replace("`", "") in page
    assert tuple(docs.WHEN) == (*EVENTS, TEST_EVENT)
    assert "tried again 5 s, 10 s, 15 s and 20 s after the attempt before" in page


@pytest.mark.parametrize(
    ("waits_s", "words"), [((60, 300, 7200), "1 min, 5 min and 2 h"), ((90,), "90 s"), ((), "never")]
)
def test_waits_are_told_in_words(waits_s: tuple[int, ...], words: str) -> None:
    assert docs._in_words(waits_s) == words


@pytest.mark.parametrize(("address", "number", "_words"), docs.INSTRUMENTS)
def test_the_bank_knows_every_instrument_that_is_told(
    config: Any, address: str, number: str, _words: str
) -> None:
    card = Card(number.replace(" ", ""), 12, 2031, "123", "Asha Rao", "visa")
    assert SandboxBank(config).tokenise(card).split("_")[1] == address.removesuffix("@sandbox")


def test_every_event_that_is_emitted_is_one_that_can_be_chosen() -> None:
    emitted = set()
    for path in (settings.PROJECT_ROOT / "gateway" / "domain").glob("*.py"):
        emitted |= set(re.findall(r'"((?:payment|order|refund)\.[a-z]+)"', path.read_text()))
    assert emitted <= set(EVENTS)
