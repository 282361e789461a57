"""The command that takes the pictures: what it shows is in order, and every page it names exists."""

import importlib.util
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from werkzeug.routing import RequestRedirect

from gateway import cli, pictures
from gateway.app import connect
from gateway.core.config import Config
from gateway.core.db import reading
from gateway.domain import statistics, verification
from gateway.domain.merchants import SEEDED_MERCHANT_ID


def test_its_month_of_business_is_in_order(config: Config, rows: Callable[..., list[dict[str, Any]]]) -> None:
    pictures.furnish(config, 60)
    connect(config)
    with reading():
        assert verification.complaints() == {}
        found = statistics.summary(SEEDED_MERCHANT_ID, "30d")
        assert statistics.summary(SEEDED_MERCHANT_ID, "all").count == 60
    assert found.pending == 0 and 0 < found.failed < found.succeeded
    assert len([bar for bar in found.bars if bar.count]) > 10
    assert rows("SELECT status FROM refunds WHERE status <> 'processed'") == []


@pytest.mark.parametrize("address", [*pictures.PAGES.values(), *pictures.DOORS.values()])
def test_every_page_it_looks_at_exists(app: Flask, address: str) -> None:
    facts = {"payment_id": "pay_1", "order_id": "order_1", "unpaid_id": "order_2", "shop_url": ""}
    path = address.format(**facts).partition("?")[0]
    try:
        endpoint, _ = app.url_map.bind("localhost").match(path)
    except RequestRedirect:
        pytest.fail(f"{path} leads elsewhere")
    assert endpoint != "dashboard.nowhere"


@pytest.mark.parametrize(
    ("missing", "words"), [("browser", "no browser was found"), ("playwright", "requirements-dev.txt")]
)
def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str, words: str) -> None:
    which = (lambda _name: None) if missing == "browser" else (lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    answer = CliRunner().invoke(cli.main, ["pictures"])
    assert answer.exit_code == 1
    assert words in answer.output
