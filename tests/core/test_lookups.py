"""Rows by their keys: found alone, and found together with what other threads look for."""

import json
import threading
from typing import Any

import pytest

from gateway.core import db, lookups, rows
from gateway.core.config import Config
from gateway.core.db import add_row, transaction
from gateway.core.ids import new_id, new_uuid
from gateway.core.lookups import Lookup
from gateway.models import IdempotencyKey, Order
from tests.core.test_db import NOW

KEPT = Lookup(IdempotencyKey, "response", "merchant_id", "key")


def keep(merchant_id: str, *keys: str) -> None:
    with transaction():
        for key in keys:
            add_row(
                IdempotencyKey,
                merchant_id=merchant_id,
                key=key,
                fingerprint="f",
                status_code=201,
                response=f"{merchant_id} {key}",
                created_at=NOW,
                expires_at=NOW,
            )


def test_each_gets_its_own_row_or_none(config: Config) -> None:
    one, other = new_uuid(), new_uuid()
    keep(one, "a", "b'; --", "{c,d}")
    keep(other, "a")
    asked = [(one, "a"), (one, "b'; --"), (one, "{c,d}"), (other, "a"), (other, "b'; --"), (one, "a")]
    wanted = [(f"{one} a",), (f"{one} b'; --",), (f"{one} {{c,d}}",), (f"{other} a",), None, (f"{one} a",)]
    assert [KEPT.find(*key) for key in asked] == wanted
    if not db.is_sqlite():
        together = lookups._question((KEPT,))._ask([(key,) for key in asked])
        assert [found for (found,) in together] == wanted


def test_those_who_come_while_one_is_asking_share_the_next_message(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.is_sqlite():
        pytest.skip("SQLite is asked without a message")
    ids = [new_id("order") for _ in range(9)]
    keys = [(order_id,) for order_id in ids]
    lookup = Lookup(Order, rows.columns(Order), "id")
    messages: list[Any] = []
    everybody_waits, ask = threading.Event(), db.ask

    def slow(statement: Any, **values: Any) -> Any:
        messages.append(values)
        if len(messages) == 1:
            assert everybody_waits.wait(10)
        return ask(statement, **values)

    monkeypatch.setattr(db, "ask", slow)
    threads = [threading.Thread(target=lookup.find, args=key) for key in keys]
    threads[0].start()
    while not messages:
        threading.Event().wait(0.001)
    for thread in threads[1:]:
        thread.start()
    while len(lookups._question((lookup,))._together._waiting) < 8:
        threading.Event().wait(0.001)
    everybody_waits.set()
    for thread in threads:
        thread.join(10)
    looked_for = [{row["id_0"] for row in json.loads(values["rows"])} for values in messages]
    assert looked_for == [{ids[0]}, set(ids[1:])]


def test_what_is_looked_for_next_comes_along(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant_id, nobody = new_uuid(), new_uuid()
    keep(merchant_id, "a", "b")
    asked: list[Any] = []
    ask = db.ask
    monkeypatch.setattr(db, "ask", lambda *args, **values: asked.append(args) or ask(*args, **values))

    def messages() -> int:
        count = len(asked)
        asked.clear()
        return 2 if db.is_sqlite() else count

    other = Lookup(IdempotencyKey, "key, response", "merchant_id", "key")
    with lookups.ahead(other, merchant_id, "b"):
        assert KEPT.find(merchant_id, "a") == (f"{merchant_id} a",)
        assert other.find(merchant_id, "b") == ("b", f"{merchant_id} b")
    assert messages() == (2 if db.is_sqlite() else 1)
    with lookups.ahead(other, nobody, "b"):
        assert KEPT.find(merchant_id, "a") == (f"{merchant_id} a",)
        assert other.find(nobody, "b") is None
        keep(nobody, "b")
        assert other.find(nobody, "b") == ("b", f"{nobody} b"), "what came along is taken over once"
    with lookups.ahead(other, merchant_id, "b"):
        assert KEPT.find(nobody, "a") is None
        assert other.find(merchant_id, "a") == ("a", f"{merchant_id} a"), "it came for another key"
    with lookups.ahead(other, merchant_id, "c"):
        assert KEPT.find(merchant_id, "a") == (f"{merchant_id} a",)
    keep(merchant_id, "c")
    assert other.find(merchant_id, "c") == ("c", f"{merchant_id} c"), "nothing is left of it behind its block"
