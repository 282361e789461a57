"""How times and states read on a page."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask

from gateway.core import clock
from gateway.web import filters

NOON = datetime(2026, 1, 15, 10, 31, tzinfo=UTC)


def test_a_moment_is_utc_wherever_it_came_from() -> None:
    india = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    shown = '<time datetime="2026-01-15T10:31:00Z" title="UTC">2026-01-15 10:31:00</time>'
    assert filters.moment(NOON) == filters.moment(india) == shown


def test_no_moment_is_a_dash() -> None:
    assert "—" in filters.moment(None)
    assert "never" in filters.ago(None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (30, "30 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_how_long_ago_is_told_in_one_unit(seconds: int, words: str) -> None:
    assert f">{words}</time>" in filters.ago(clock.now() - timedelta(seconds=seconds))


def test_every_state_of_a_row_has_a_word_a_tone_and_an_icon(app: Flask) -> None:
    from gateway.models import orders, payments, refunds

    known = {*orders.STATUSES, *payments.STATUSES, *refunds.STATUSES, "success", "failed", "pending"}
    assert known <= filters.STATES.keys()
    with app.test_request_context():
        for word in known:
            shown = filters.status(word)
            assert word in shown and "data-tone" in shown and "<svg" in shown


def test_what_a_state_is_called_cannot_become_markup(app: Flask) -> None:
    with app.test_request_context():
        assert "<script>" not in filters.status("<script>")


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/130.0.0.0 Safari/537.36",
            "Chrome on Windows",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.10.1", "curl/8.10.1"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_named_as_people_name_it(agent: str, words: str) -> None:
    assert filters.browser(agent) == words
