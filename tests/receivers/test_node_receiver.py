"""The Node receiver itself: it must be able to refuse, or its praise is worth nothing."""

import hashlib
import hmac
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import urllib3

RECEIVER = Path(__file__).with_name("node_receiver.js")
SECRET = "whsec_test_abc123"
FIXED_TEXT = '{"event":"payment.success","id":"evt_1","data":{"payment":{"id":"pay_1","by":"मीरा 🎁"}}}'
FIXED_POINT = FIXED_TEXT.encode()

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


class Receiver:
    def __init__(self, *arguments: str) -> None:
        command = ["node", str(RECEIVER), "0", SECRET, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.printed: IO[str] = self.process.stdout
        word, port = self.printed.readline().split()
        assert word == "listening"
        self.url = f"http://127.0.0.1:{port}"
        self.http = urllib3.PoolManager(timeout=5, retries=False)

    def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """The answer's status, and the line that was printed about it."""
        signed = {"X-Webhook-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request("POST", f"{self.url}/webhook", body=body, headers=signed | given)
        return answer.status, json.loads(self.printed.readline())


@pytest.fixture
def start() -> Iterator[Callable[..., Receiver]]:
    started: list[Receiver] = []

    def start(*arguments: str) -> Receiver:
        started.append(Receiver(*arguments))
        return started[-1]

    yield start
    for receiver in started:
        receiver.http.clear()
        receiver.process.kill()
        receiver.process.communicate()


def test_it_takes_a_body_that_javascript_gives_back_unchanged(start: Callable[..., Receiver]) -> None:
    status, line = start().post(FIXED_POINT, X_Webhook_Attempt="2")
    assert status == 200
    assert line == {
        "ok": True,
        "same_bytes": True,
        "event": "payment.success",
        "id": "evt_1",
        "payment_id": "pay_1",
        "attempt": 2,
        "body_length": len(FIXED_POINT),
    }


@pytest.mark.parametrize(
    "body",
    [
        b'{"event": "payment.success"}',
        b'{"event":"\\u092e"}',
        b'{"amount":500.0}',
        b'{"b":1,"1":2}',
        b'{"sequence":9007199254740993}',
        b'{"name":"\xff"}',
    ],
    ids=["spaces", "escaped text", "a float", "an integer-like key", "beyond 2^53", "no UTF-8"],
)
def test_it_refuses_a_well_signed_body_that_javascript_writes_otherwise(
    start: Callable[..., Receiver], body: bytes
) -> None:
    status, line = start().post(body)
    assert (status, line["ok"], line["same_bytes"]) == (401, False, False)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é" * 32, "short"])
def test_it_refuses_a_signature_that_does_not_fit(start: Callable[..., Receiver], signature: str) -> None:
    status, line = start().post(FIXED_POINT, X_Webhook_Signature=signature)
    assert (status, line["ok"], line["same_bytes"]) == (401, False, True)


@pytest.mark.parametrize("body", [b"", b"{", b"null"])
def test_it_survives_what_is_no_event(start: Callable[..., Receiver], body: bytes) -> None:
    receiver = start()
    _, line = receiver.post(body)
    assert line["event"] is None
    assert receiver.post(FIXED_POINT)[0] == 200


def test_it_can_be_told_to_fail_and_says_when(start: Callable[..., Receiver]) -> None:
    before_ms = time.time() * 1000
    status, line = start("fail").post(FIXED_POINT)
    assert (status, line["ok"]) == (500, True)
    assert before_ms - 1 <= line["at_ms"] <= time.time() * 1000 + 1
