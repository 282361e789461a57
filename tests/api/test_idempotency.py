"""Idempotency-Key: the same request again, the same bytes back."""

import threading
from typing import Any

import pytest
from sqlalchemy import text

from gateway.core import db
from gateway.domain import events, idempotency
from tests.conftest import Office, Person


def keyed(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Idempotency-Key": key}}


def upi(order: dict[str, object], vpa: str = "asha@upi") -> dict[str, object]:
    return {"order_id": order["id"], "method": "upi", "vpa": vpa}


def card(order: dict[str, object], **change: object) -> dict[str, object]:
    fields = {
        "number": "4111111111111111",
        "expiry_month": 12,
        "expiry_year": 30,
        "cvv": "123",
        "holder_name": "A",
    }
    return {"order_id": order["id"], "method": "card", "card": fields | change}


def test_a_repeated_request_gets_the_very_same_bytes(merchant: Person, rows) -> None:
    order = merchant.order()
    first = merchant.post("/payments", upi(order), **keyed("k"))
    again = merchant.post("/payments", upi(order), **keyed("k"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(rows("SELECT * FROM payments")) == 1


def test_orders_honour_keys_too(merchant: Person, rows) -> None:
    answers = [merchant.post("/orders", {"amount": 500}, **keyed("k")).data for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(rows("SELECT * FROM orders")) == 1


def test_the_order_of_fields_makes_no_other_request(merchant: Person) -> None:
    order = merchant.order()
    body = upi(order)
    merchant.post("/payments", body, **keyed("k"))
    again = merchant.post("/payments", dict(reversed(body.items())), **keyed("k"))
    assert again.headers["Idempotent-Replayed"] == "true"


def test_another_body_or_path_with_the_same_key_is_refused(merchant: Person, rows) -> None:
    order = merchant.order()
    merchant.post("/payments", upi(order), **keyed("k"))
    for answer in (
        merchant.post("/payments", upi(order, "other@upi"), **keyed("k")),
        merchant.post("/orders", {"amount": 500}, **keyed("k")),
        merchant.post("/orders", upi(order), **keyed("k")),
    ):
        assert (answer.status_code, answer.json["error"]["code"]) == (422, "IDEMPOTENCY_ERROR")
    assert len(rows("SELECT * FROM payments")) == 1


def test_keys_belong_to_a_merchant(merchant: Person, rival: Person) -> None:
    mine = merchant.post("/orders", {"amount": 500}, **keyed("shared")).json
    theirs = rival.post("/orders", {"amount": 500}, **keyed("shared")).json
    assert mine["id"] != theirs["id"]
    assert theirs["merchant_id"] == rival.merchant_id


def test_a_replay_comes_before_every_later_check(merchant: Person, monkeypatch) -> None:
    """The order may have been paid in the meantime; the answer was given before that."""
    from gateway.domain import payments

    order = merchant.order()
    first = merchant.post("/payments", upi(order), **keyed("k"))
    monkeypatch.setattr(payments, "check", lambda *_: pytest.fail("looked again"))
    assert merchant.post("/payments", upi(order), **keyed("k")).data == first.data


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_not_kept(merchant: Person, rows, status: int) -> None:
    order = merchant.order()
    wrong = {400: upi(order, "nonsense"), 404: upi({"id": "order_0000000000000000"}), 422: upi(order)}[status]
    if status == 422:
        merchant.post("/orders", {"amount": 500}, **keyed("other"))
        assert merchant.post("/payments", wrong, **keyed("other")).status_code == 422
        return
    assert merchant.post("/payments", wrong, **keyed("k")).status_code == status
    assert rows("SELECT * FROM idempotency_keys") == []
    assert merchant.post("/payments", upi(order), **keyed("k")).status_code == 201


def test_an_expired_key_is_new_again(merchant: Person, wait, rows) -> None:
    order = merchant.order()
    first = merchant.post("/payments", upi(order), **keyed("k")).json["id"]
    wait(24 * 3600 - 5)
    assert merchant.post("/payments", upi(order), **keyed("k")).json["id"] == first
    wait(10)
    assert merchant.post("/payments", upi(order, "other@upi"), **keyed("k")).json["id"] != first
    assert len(rows("SELECT * FROM idempotency_keys")) == 1


def test_the_fingerprint_is_blind_to_cvv_and_all_but_four_digits(merchant: Person, rows) -> None:
    order = merchant.order()
    first = merchant.post("/payments", card(order), **keyed("k"))
    again = merchant.post("/payments", card(order, cvv="999", number="4000000000001111"), **keyed("k"))
    assert again.data == first.data
    other = merchant.post("/payments", card(order, number="4000000000000077"), **keyed("k"))
    assert other.status_code == 422
    assert "4111111111111111" not in str(rows("SELECT * FROM idempotency_keys"))


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 300, "k\xe9y", "tab\there"])
def test_a_key_of_the_wrong_form_is_refused(merchant: Person, rows, key: str) -> None:
    answer = merchant.post("/orders", {"amount": 500}, **keyed(key))
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "Idempotency-Key")
    assert rows("SELECT * FROM orders") == []


def test_a_key_of_255_characters_is_taken(merchant: Person) -> None:
    assert merchant.post("/orders", {"amount": 500}, **keyed("k" * 255)).status_code == 201


def test_a_failing_commit_leaves_neither_key_nor_payment(merchant: Person, rows, monkeypatch) -> None:
    order = merchant.order()
    keep = idempotency.keep

    def broken(*what: Any) -> None:
        keep(*what)
        for _ in range(2):
            events.emit(merchant.merchant_id, "payment.captured", {"id": "pay_twice"})

    monkeypatch.setattr(idempotency, "keep", broken)
    answer = merchant.post("/payments", upi(order), **keyed("k"))
    assert (answer.status_code, answer.json["error"]["code"]) == (500, "SERVER_ERROR")
    assert "twice" not in answer.text
    for table in ("payments", "events", "idempotency_keys"):
        assert rows(f"SELECT * FROM {table}") == []
    monkeypatch.undo()
    assert merchant.post("/payments", upi(order), **keyed("k")).status_code == 201


def test_a_twin_waits_for_the_first_and_gets_its_answer(merchant: Person, rows) -> None:
    """The first request stands between its insert and its commit; the twin comes in the meantime."""
    order = merchant.order()
    merchant.post("/payments", upi(order), **keyed("k"))
    (stored,) = rows("SELECT * FROM idempotency_keys")
    with db.engine().begin() as connection:
        connection.execute(text("DELETE FROM idempotency_keys"))
    with db.engine().connect() as first:
        if db.is_sqlite():
            first = first.execution_options(writes=True)
        columns = ", ".join(stored)
        marks = ", ".join(f":{name}" for name in stored)
        first.execute(text(f"INSERT INTO idempotency_keys ({columns}) VALUES ({marks})"), stored)
        answers: list[object] = []
        twin = threading.Thread(
            target=lambda: answers.append(merchant.post("/payments", upi(order), **keyed("k")))
        )
        twin.start()
        twin.join(0.3)
        assert twin.is_alive()
        first.commit()
        twin.join(5)
    assert answers[0].data.decode() == stored["response"]
    assert len(rows("SELECT * FROM payments")) == 1


def test_a_twin_that_finds_nothing_left_gets_the_firsts_answer(
    merchant: Person, office: Office, wait, rows, monkeypatch
) -> None:
    """Both looked for the key before either had it; the first one's refund took all there was."""
    payment = merchant.pay()
    wait(10)
    office.settle()
    path, body = f"/payments/{payment['id']}/refunds", {"amount": 50000}
    first = merchant.post(path, body, **keyed("all of it"))
    find, answers = idempotency.find, [None]
    monkeypatch.setattr(idempotency, "find", lambda *asked: answers.pop() if answers else find(*asked))
    twin = merchant.post(path, body, **keyed("all of it"))
    assert (twin.status_code, twin.data) == (201, first.data)
    assert twin.headers["Idempotent-Replayed"] == "true"
    assert len(rows("SELECT id FROM refunds")) == 1


def test_a_twin_that_waits_too_long_is_told_to_come_back(merchant: Person, rows, monkeypatch) -> None:
    order = merchant.order()
    merchant.post("/payments", upi(order), **keyed("k"))
    (stored,) = rows("SELECT * FROM idempotency_keys")
    with db.engine().begin() as connection:
        connection.execute(text("DELETE FROM idempotency_keys"))
    with db.engine().connect() as first:
        if db.is_sqlite():
            pytest.skip("SQLite has one writer, who waits 15 s for another; the wait itself is tested above")
        columns, marks = ", ".join(stored), ", ".join(f":{name}" for name in stored)
        first.execute(text(f"INSERT INTO idempotency_keys ({columns}) VALUES ({marks})"), stored)
        answer = merchant.post("/payments", upi(order), **keyed("k"))
        first.rollback()
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "IDEMPOTENCY_ERROR")
    assert answer.headers["Retry-After"] == "1"
    assert merchant.post("/payments", upi(order), **keyed("k")).status_code == 201


def test_the_sweep_deletes_expired_keys_and_no_others(merchant: Person, wait, rows) -> None:
    from gateway.core.db import transaction
    from gateway.domain import idempotency

    for key in ("old", "older", "oldest"):
        merchant.post("/orders", {"amount": 500}, **keyed(key))
    wait(24 * 3600 + 1)
    merchant.post("/orders", {"amount": 500}, **keyed("fresh"))
    purged = []
    for _ in range(3):
        with transaction():
            purged.append(idempotency.purge(limit=2))
    assert purged == [2, 1, 0]
    assert [row["key"] for row in rows("SELECT key FROM idempotency_keys")] == ["fresh"]
