"""Capture and refunds over the API."""

from typing import Any

import pytest

from tests.conftest import Office, Person


@pytest.fixture
def paid(merchant: Person, office: Office, wait) -> dict[str, Any]:
    """A successful payment of 50,000 paise."""
    payment = merchant.pay(merchant.order(50000))
    wait(2)
    office.settle()
    return merchant.payment(payment["id"])


def error(answer) -> tuple[int, str, str]:
    return answer.status_code, answer.json["error"]["code"], answer.json["error"]["description"]


def test_a_refund_is_pending_at_once_and_processed_later(
    merchant: Person, paid, office: Office, wait
) -> None:
    answer = merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 20000, "reason": "टूटा कप"})
    assert answer.status_code == 201
    refund = answer.json
    assert refund["id"].startswith("rfnd_")
    expected = {"payment_id": paid["id"], "amount": 20000, "reason": "टूटा कप", "status": "pending"}
    assert refund | expected | {"processed_at": None} == refund
    wait(8)
    office.refund()
    seen = merchant.get(f"/refunds/{refund['id']}").json
    assert seen["status"] == "processed" and seen["processed_at"].endswith("Z")
    payment = merchant.payment(paid["id"])
    assert (payment["amount_refunded"], payment["refund_status"]) == (20000, "partial")


def test_the_audit_log_knows_whose_key_asked_for_a_refund(merchant: Person, paid, rows) -> None:
    refund = merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 1}).json
    merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 50000})
    lines = rows("SELECT actor, subject FROM audit_log WHERE act = 'refund.created'")
    assert lines == [{"actor": merchant.key, "subject": refund["id"]}]


def test_more_than_is_left_is_refused(merchant: Person, paid) -> None:
    path = f"/payments/{paid['id']}/refunds"
    assert merchant.post(path, {"amount": 30000}).status_code == 201
    answer = merchant.post(path, {"amount": 20001})
    assert error(answer) == (400, "BAD_REQUEST_ERROR", "Refund amount exceeds available amount")
    assert (answer.json["error"]["field"], answer.json["error"]["reason"]) == (
        "amount",
        "insufficient_refund_amount",
    )
    assert merchant.post(path, {"amount": 20000}).status_code == 201
    assert merchant.get(path).json["total"] == 2


@pytest.mark.parametrize("amount", [None, 0, -1, 1.0, 5.5, "100", True, [], 10**10, 10**30])
def test_an_amount_that_is_none_is_refused(merchant: Person, paid, rows, amount: object) -> None:
    answer = merchant.post(f"/payments/{paid['id']}/refunds", {"amount": amount})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "amount")
    assert rows("SELECT * FROM refunds") == []


def test_a_refund_needs_an_amount_and_a_text_for_a_reason(merchant: Person, paid) -> None:
    path = f"/payments/{paid['id']}/refunds"
    assert merchant.post(path, {}).json["error"]["description"] == "amount is required"
    for reason in (5, ["x"], "x" * 1001, "a\0b"):
        assert merchant.post(path, {"amount": 1, "reason": reason}).json["error"]["field"] == "reason"


def test_only_a_successful_payment_can_be_refunded(merchant: Person) -> None:
    answer = merchant.post(f"/payments/{merchant.pay()['id']}/refunds", {"amount": 100})
    assert error(answer)[:2] == (400, "BAD_REQUEST_ERROR")


def test_a_repeated_refund_with_one_key_is_one_refund(merchant: Person, paid, rows) -> None:
    path, key = f"/payments/{paid['id']}/refunds", {"Idempotency-Key": "refund-1"}
    first = merchant.post(path, {"amount": 50000}, headers=key)
    again = merchant.post(path, {"amount": 50000}, headers=key)
    assert (first.status_code, again.data) == (201, first.data)
    assert merchant.post(path, {"amount": 1}, headers=key).status_code == 422
    assert len(rows("SELECT * FROM refunds")) == 1


def test_a_capture_is_all_or_nothing_and_once(merchant: Person, paid, rows) -> None:
    path = f"/payments/{paid['id']}/capture"
    assert merchant.post(path, {"amount": 49999}).json["error"]["field"] == "amount"
    for wrong in (True, 50000.0, "50000", []):
        assert merchant.post(path, {"amount": wrong}).json["error"]["field"] == "amount"
    answer = merchant.post(path, {"amount": 50000})
    assert (answer.status_code, answer.json["captured"]) == (200, True)
    assert error(merchant.post(path)) == (400, "BAD_REQUEST_ERROR", "Payment not in capturable state")
    assert [row["event"] for row in rows("SELECT event FROM events ORDER BY position")][
        -1
    ] == "payment.captured"
    assert rows("SELECT act FROM audit_log") == [{"act": "payment.captured"}]


def test_a_capture_needs_no_body(merchant: Person, paid) -> None:
    assert merchant.ask("POST", f"/payments/{paid['id']}/capture").json["captured"] is True


def test_a_pending_or_fully_refunded_payment_cannot_be_captured(merchant: Person, paid) -> None:
    text = "Payment not in capturable state"
    assert error(merchant.post(f"/payments/{merchant.pay()['id']}/capture"))[2] == text
    merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 50000})
    assert error(merchant.post(f"/payments/{paid['id']}/capture"))[2] == text


def test_a_rival_can_neither_capture_nor_refund_nor_look(merchant: Person, rival: Person, paid) -> None:
    refund = merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 1}).json
    for answer in (
        rival.post(f"/payments/{paid['id']}/capture"),
        rival.post(f"/payments/{paid['id']}/refunds", {"amount": 1}),
        rival.get(f"/payments/{paid['id']}/refunds"),
        rival.get(f"/refunds/{refund['id']}"),
    ):
        assert error(answer)[:2] == (404, "NOT_FOUND_ERROR")


def test_the_balance_follows_the_money(merchant: Person, rival: Person, paid, office: Office, wait) -> None:
    def balance() -> dict[str, int]:
        (inr,) = merchant.get("/balance").json["data"]
        assert inr.pop("currency") == "INR"
        assert sum(inr.values()) == 0
        return {name: amount for name, amount in inr.items() if amount}

    assert balance() == {"processor_receivable": -50000, "merchant_uncaptured": 50000}
    merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 20000})
    merchant.post(f"/payments/{paid['id']}/capture")
    assert balance() == {
        "processor_receivable": -50000,
        "merchant_balance": 30000,
        "refunds_reserved": 20000,
    }
    wait(8)
    office.refund()
    assert balance() == {"processor_receivable": -50000, "merchant_balance": 30000, "refunds_paid": 20000}
    assert rival.get("/balance").json == {"data": []}
