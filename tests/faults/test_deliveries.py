"""Webhooks really sent, to receivers that verify them, fail, hang, or see the worker go."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from gateway.core.config import SEEDED_WEBHOOK_SECRET
from tests.faults.letterbox import Letterbox
from tests.faults.processes import PROJECT, Process, wait_until
from tests.faults.town import RETRY_INTERVALS_S, Merchant, Town

NODE = os.environ.get("GATEWAY_TEST_NODE")
CARD = {
    "number": "4111 1111 1111 1111",
    "expiry_month": 12,
    "expiry_year": "49",
    "cvv": "123",
    "holder_name": "आशा राव 🙂",
}
# In Devanagari and pictures, with a line separator that JavaScript once took for the end of a line.
RECEIPT = "रसीद № १ 🎁"
NOTES = {"नाम": "मीरा 🧿", "1": "एक", "": "\u2028"}
REASON = "ग्राहक ने लौटाया 😔\u2028"
EVENTS_OF_THE_DAY = Counter(
    {
        "payment.created": 6,
        "payment.pending": 6,
        "payment.success": 5,
        "payment.failed": 1,
        "payment.captured": 1,
        "order.paid": 3,
        "refund.created": 3,
        "refund.processed": 2,
        "refund.failed": 1,
        "webhook.test": 1,
    }
)


def live_a_day(merchant: Merchant) -> None:
    """Let everything happen that an event tells of, with all the scripts that people write in.

    Of the orders one is paid, captured and partly refunded; one is paid twice, so
    that the gateway gives one payment back; one twice at a bank that refuses to
    take it back; and the last is declined.
    """
    kept, twice, stubborn, lost = (merchant.order(receipt=RECEIPT, notes=NOTES) for _ in range(4))
    merchant.post("/webhooks/test", status=200)
    payment = merchant.pay(kept)
    merchant.pay(twice)
    merchant.post("/payments", {"order_id": twice["id"], "method": "card", "card": CARD})
    merchant.pay(stubborn, "norefund@sandbox")
    merchant.pay(stubborn, "norefund@sandbox")
    merchant.pay(lost, "declined@sandbox")
    wait_until(lambda: merchant.get(f"/payments/{payment['id']}")["status"] == "success", 3, "a paid order")
    merchant.post(f"/payments/{payment['id']}/capture", status=200)
    merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 100, "reason": REASON})


def assert_all_was_delivered(merchant: Merchant, bodies: dict[str, bytes]) -> None:
    """API and tables agree that each of these bodies, by event id, was taken at the first attempt."""
    rows = merchant.rows("webhook_logs")
    assert {row["event_id"]: row["payload"].encode() for row in rows} == bodies
    outcomes = {(row["status"], row["attempts"], row["next_retry_at"], row["response_code"]) for row in rows}
    assert outcomes == {("success", 1, None, 200)}
    sequences = sorted(json.loads(body)["sequence"] for body in bodies.values())
    assert sequences == list(range(1, len(bodies) + 1))
    listed = merchant.get("/webhooks?limit=100")
    assert listed["total"] == len(bodies)
    assert {(row["status"], row["attempts"], row["response_code"]) for row in listed["data"]} == {
        ("success", 1, 200)
    }


def test_the_standard_webhooks_library_accepts_every_event(merchant: Merchant, letterbox: Letterbox) -> None:
    first_secret = merchant.get("/webhooks/config")["webhook_secret"]
    secret = merchant.post("/webhooks/regenerate-secret", status=200)["webhook_secret"]
    assert secret != first_secret
    live_a_day(merchant)
    wait_until(lambda: letterbox.events.total() >= EVENTS_OF_THE_DAY.total(), 10, "all webhooks of the day")
    wait_until(merchant.is_told_everything, 5, "rows that say so")
    assert letterbox.events == EVENTS_OF_THE_DAY
    for letter in letterbox.letters:
        assert Webhook(secret).verify(letter.body, letter.headers) == letter.json
        assert letter.is_signed_with(secret)
        assert (letter.json["id"], letter.json["event"], letter.attempt) == (letter.id, letter.event, 1)
    assert_all_was_delivered(merchant, {letter.id: letter.body for letter in letterbox.letters})
    paid = [letter.json["data"]["order"] for letter in letterbox.letters if letter.event == "order.paid"]
    assert [(order["status"], order["receipt"]) for order in paid] == [("paid", RECEIPT)] * 3
    refunds = [
        letter.json["data"]["refund"] for letter in letterbox.letters if letter.event == "refund.processed"
    ]
    assert {refund["reason"] for refund in refunds} == {REASON, "duplicate payment of a paid order"}


class NodeReceiver:
    """The receiver as merchants publish it, in Node."""

    def __init__(self, directory: Path, secret: str) -> None:
        script = PROJECT / "tests" / "receivers" / "node_receiver.js"
        self.process = Process([str(NODE), str(script), "0", secret], {}, directory / "node.log")
        self.process.start()
        self.port = int(wait_until(self.process.said, 10, "a listening Node").split()[1])

    def lines(self) -> list[dict[str, Any]]:
        """What it printed about each webhook it got."""
        return [json.loads(line) for line in self.process.said().splitlines()[1:]]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeReceiver]:
    if NODE is None:
        pytest.skip("no Node was found")
    receiver = NodeReceiver(tmp_path, SEEDED_WEBHOOK_SECRET)
    yield receiver
    receiver.process.kill()


def test_a_receiver_that_writes_the_body_again_in_javascript_accepts_every_event(
    town: Town, node: NodeReceiver
) -> None:
    merchant = town.seeded_merchant()
    merchant.receive_at(f"http://127.0.0.1:{node.port}/webhook")
    live_a_day(merchant)
    wait_until(lambda: len(node.lines()) >= EVENTS_OF_THE_DAY.total(), 10, "all webhooks of the day")
    wait_until(merchant.is_told_everything, 5, "rows that say so")
    assert Counter(line["event"] for line in node.lines()) == EVENTS_OF_THE_DAY
    assert all(line["ok"] and line["same_bytes"] for line in node.lines())
    bodies = {row["event_id"]: row["payload"].encode() for row in merchant.rows("webhook_logs")}
    assert {line["id"]: line["body_length"] for line in node.lines()} == {
        event_id: len(body) for event_id, body in bodies.items()
    }
    assert_all_was_delivered(merchant, bodies)


def test_a_receiver_that_always_fails_is_tried_five_times_and_after_a_retry_once_more(
    merchant: Merchant, letterbox: Letterbox
) -> None:
    letterbox.status = 500
    merchant.post("/webhooks/test", status=200)
    wait_until(lambda: merchant.count("webhook_logs", "status = 'failed'"), 15, "the end of the attempts")
    gaps_s = [after.received_at - before.received_at for before, after in pairwise(letterbox.letters)]
    assert [int(gap_s) for gap_s in gaps_s] == list(RETRY_INTERVALS_S[1:])
    assert [letter.attempt for letter in letterbox.letters] == [1, 2, 3, 4, 5]
    (row,) = merchant.rows("webhook_logs")
    assert (row["attempts"], row["next_retry_at"], row["response_code"]) == (5, None, 500)
    detail = merchant.get(f"/webhooks/{row['id']}")
    assert [(each["number"], each["outcome"], each["response_code"]) for each in detail["attempt_log"]] == [
        (number, "refused", 500) for number in range(1, 6)
    ]

    letterbox.status = 200
    answer = merchant.post(f"/webhooks/{row['id']}/retry", status=200)
    assert answer == {"id": row["id"], "status": "pending", "message": "Webhook retry scheduled"}
    wait_until(merchant.is_told_everything, 3, "the delivery after the retry")
    assert len({(letter.id, letter.body) for letter in letterbox.letters}) == 1
    assert [letter.attempt for letter in letterbox.letters] == [1, 2, 3, 4, 5, 1]
    (row,) = merchant.rows("webhook_logs")
    assert (row["status"], row["attempts"], row["next_retry_at"], row["response_code"]) == (
        "success",
        1,
        None,
        200,
    )


def test_a_slow_receiver_does_not_delay_a_quick_one(
    arrive: Callable[[], Merchant], merchant: Merchant, letterbox: Letterbox
) -> None:
    rival = arrive()
    with Letterbox() as slow:
        slow.hold_s = 6
        rival.receive_at(slow.url)
        for order in rival.orders(25):
            rival.pay(order)
        wait_until(
            lambda: rival.count("webhook_logs", "status = 'pending'") >= 50, 3, "a queue for the slow one"
        )
        order, started = merchant.order(), time.monotonic()
        merchant.pay(order)
        wait_until(lambda: letterbox.events.total() == 2, 2, "a quick merchant who knows of the payment")
        left_s = started + 3 - time.monotonic()
        wait_until(lambda: letterbox.events["payment.success"], left_s, "and of its success, 2 s after it")
        assert 0 < slow.events.total() < 80
        assert rival.count("webhook_logs", "status = 'success'") == 0
        rival.receive_at(None)


def test_a_worker_told_to_stop_finishes_what_is_under_way(
    town: Town, merchant: Merchant, letterbox: Letterbox
) -> None:
    letterbox.hold_s = 2
    merchant.post("/webhooks/test", status=200)
    wait_until(lambda: letterbox.letters, 3, "a delivery under way")
    assert town.worker.stop(timeout_s=10) == 0
    assert town.health()[1]["worker"] == "stopped"
    (row,) = merchant.rows("webhook_logs")
    assert (row["status"], row["attempts"], row["response_code"]) == ("success", 1, 200)
    assert row["lease_until"] is None

    letterbox.hold_s = 0
    town.mend()
    merchant.post("/webhooks/test", status=200)
    wait_until(lambda: len(letterbox.letters) >= 2, 3, "the next delivery")
    assert len({letter.id for letter in letterbox.letters}) == len(letterbox.letters) == 2
