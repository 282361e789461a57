"""`check.run` against a little gateway that can be told to do one thing wrong, and the real test shop."""

import hashlib
import hmac
import io
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook
from werkzeug.serving import make_server

from gateway import check
from test_merchant.__main__ import QuietHandler
from test_merchant.app import create_app
from test_merchant.settings import Settings

KEY, SECRET = "key_test_abc123", "secret_test_xyz789"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
OTHER_SECRET = "whsec_" + "A" * 43 + "="
PATIENCE_S = 0.2


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class LittleGateway:
    """As much of the contract as the check asks for, with one `flaw` at most. Settles at once."""

    def __init__(self, shop_url: str, flaw: str = "") -> None:
        self.shop_url, self.flaw = shop_url, flaw
        self.payments: dict[str, dict[str, Any]] = {}
        self.answered: dict[str, tuple[bytes, str]] = {}
        self.delivered: dict[str, dict[str, Any]] = {}
        self.sequence = 40
        self.http = urllib3.PoolManager(timeout=5, retries=False)

    def app(self) -> Flask:
        app = Flask(__name__)
        app.before_request(self.admit)
        api: dict[str, Callable[..., ResponseReturnValue]] = {
            "GET /health": self.health,
            "POST /api/v1/orders": self.create_order,
            "POST /api/v1/payments": self.create_payment,
            "GET /api/v1/payments/<payment_id>": lambda payment_id: self.payments[payment_id],
            "GET /api/v1/webhooks": lambda: {"data": [self.log_row(id) for id in self.delivered]},
            "GET /api/v1/webhooks/<id>": lambda id: self.log_row(id) | self.delivered[id],
            "GET /api/v1/test/jobs/status": self.jobs,
        }
        for rule, view in api.items():
            method, path = rule.split(" ")
            app.add_url_rule(path, rule, view, methods=[method])
        return app

    def admit(self) -> ResponseReturnValue | None:
        if self.flaw == "answers everything with a page":
            return "<html>welcome</html>"
        is_open = request.path in ("/health", "/api/v1/test/jobs/status") or self.flaw == "lets anybody in"
        if is_open or (request.headers["X-Api-Key"], request.headers["X-Api-Secret"]) == (KEY, SECRET):
            return None
        return self.refusal(401, "AUTHENTICATION_ERROR")

    def refusal(self, status: int, code: str) -> ResponseReturnValue:
        return {"error": {"code": code, "description": "no"}}, status

    def health(self) -> ResponseReturnValue:
        worker = "stopped" if self.flaw == "its worker has stopped" else "running"
        status = "healthy" if worker == "running" else "degraded"
        return {"status": status, "database": "connected", "redis": "embedded", "worker": worker}

    def create_order(self) -> ResponseReturnValue:
        asked = request.get_json()
        notes = asked["notes"]
        if self.flaw == "loses letters of the notes":
            notes = {name: text.encode("ascii", "ignore").decode() for name, text in notes.items()}
        order = {"id": new_id("order"), "amount": asked["amount"], "currency": "INR"}
        return order | {"notes": notes, "status": "created"}, 201

    def create_payment(self) -> ResponseReturnValue:
        asked, key = request.get_json(), request.headers.get("Idempotency-Key", "")
        if key and key in self.answered and self.flaw != "forgets its keys":
            body, answer = self.answered[key]
            if body != request.get_data() and self.flaw != "ignores the body of a repeated key":
                return self.refusal(422, "IDEMPOTENCY_ERROR")
            answer += " " * (self.flaw == "writes a replay anew")
            replayed = {} if self.flaw == "does not mark a replay" else {"Idempotent-Replayed": "true"}
            return Response(answer, 201, replayed, mimetype="application/json")
        if asked["method"] == "upi" and "@" not in asked["vpa"] and self.flaw != "pays to any address":
            return self.refusal(400, "INVALID_VPA")
        if self.flaw == "works before it answers":
            time.sleep(1.1)
        answer = json.dumps(self.pay(asked))
        self.answered[key] = request.get_data(), answer
        return Response(answer, 201, mimetype="application/json")

    def pay(self, asked: dict[str, Any]) -> dict[str, Any]:
        payment = {"id": new_id("pay"), "order_id": asked["order_id"], "amount": 50000, "status": "pending"}
        if asked["method"] == "card":
            payment |= {"card_network": "visa", "card_last4": "1111"}
            leaks: dict[str, dict[str, Any]] = {
                "echoes the CVV": {"echo": asked["card"]["cvv"]},
                "echoes the CVV as a number": {"echo": [int(asked["card"]["cvv"])]},
                "echoes the number": {"echo": asked["card"]["number"]},
                "does not know a visa card": {"card_network": "unknown"},
            }
            payment |= leaks.get(self.flaw, {})
        self.payments[payment["id"]] = payment
        answer = dict(payment)
        self.emit("payment.created", payment)
        self.emit("payment.pending", payment)
        outcomes = {"refuses every payment": "failed", "never settles": "pending"}
        payment["status"] = outcomes.get(self.flaw, "success")
        if payment["status"] == "success":
            self.emit("payment.success", payment)
        if self.flaw == "is paid before it is asked":
            answer["status"] = "success"
        return answer

    def emit(self, event: str, payment: dict[str, Any]) -> None:
        self.sequence += 2 if self.flaw == "skips a number" else 1
        number = self.sequence
        if self.flaw == "gives a number twice":
            number = 40 + 2 * (number - 40) // 3
        if self.flaw == "numbers backwards":
            number = 100 - number
        is_lost = self.flaw == "loses an event" and event == "payment.pending"
        message_id = new_id("evt")
        fields = {"id": message_id, "event": event, "sequence": number, "data": {"payment": payment}}
        body = json.dumps(fields)
        if not is_lost:
            headers = self.sign(message_id, body)
            self.http.request("POST", f"{self.shop_url}/webhook", body=body, headers=headers)
        self.delivered[str(uuid.uuid4())] = {"event": event, "payload": body}

    def sign(self, message_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        secret = OTHER_SECRET if self.flaw == "signs with another secret" else WEBHOOK_SECRET
        standard_secret = OTHER_SECRET if self.flaw == "signs the standard way wrongly" else WEBHOOK_SECRET
        headers = {
            "X-Webhook-Signature": hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest(),
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(standard_secret).sign(message_id, now, body),
        }
        if self.flaw == "leaves the standard signature out":
            del headers["webhook-signature"]
        return headers

    def log_row(self, id: str) -> dict[str, Any]:
        status = "pending" if self.flaw == "never notes a delivery" else "success"
        return {"id": id, "event": self.delivered[id]["event"], "status": status}

    def jobs(self) -> ResponseReturnValue:
        counts: dict[str, Any] = {"pending": 0, "processing": 0, "completed": 8, "failed": 0}
        flaws: dict[str, dict[str, Any]] = {
            "counts below nothing": {"pending": -1},
            "counts in words": {"completed": "many"},
            "counts nothing as done": {"completed": 0},
            "says that its jobs rest": {"worker_status": "stopped"},
        }
        return counts | {"worker_status": "running"} | flaws.get(self.flaw, {})


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:16]}"


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def missed(printed: str) -> list[str]:
    """What the lines with a cross say was expected."""
    crosses = [line for line in printed.splitlines() if line.startswith("✗ ")]
    return [line[2:].split(" ..")[0].strip(" .") for line in crosses]


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.check.story.POLL_EVERY_S", 0.02)


@pytest.fixture
def shop_url() -> Iterator[str]:
    with serving(create_app(Settings(webhook_secret=WEBHOOK_SECRET))) as url:
        yield url


@pytest.fixture
def tell(shop_url: str, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[bool, str]]:
    """Runs the check against a gateway with that flaw: whether all held, and what was printed."""

    def tell(flaw: str) -> tuple[bool, str]:
        with serving(LittleGateway(shop_url, flaw).app()) as url:
            held = check.run(url, shop_url, KEY, SECRET, patience_s=PATIENCE_S)
        return held, capsys.readouterr().out

    return tell


Tell = Callable[[str], tuple[bool, str]]


def test_a_gateway_without_a_flaw_holds(tell: Tell) -> None:
    held, printed = tell("")
    assert missed(printed) == []
    assert held is True
    assert printed.splitlines()[-1] == "All 11 held."
    assert "6 events" in printed
    assert "41 to 46" in printed
    assert "replayed" in printed


@pytest.mark.parametrize(
    ("flaw", "expected"),
    [
        ("its worker has stopped", "the gateway is healthy"),
        ("loses letters of the notes", "an order keeps amount, currency and notes"),
        ("works before it answers", "a UPI payment is accepted within 1 s"),
        ("is paid before it is asked", "a new UPI payment is pending"),
        ("refuses every payment", "the UPI payment succeeds"),
        ("never settles", "the card payment succeeds"),
        ("does not know a visa card", "the card is shown as visa 1111"),
        ("echoes the CVV", "no answer holds the card's number or CVV"),
        ("echoes the CVV as a number", "no answer holds the card's number or CVV"),
        ("echoes the number", "no answer holds the card's number or CVV"),
        ("forgets its keys", "the same key and body get the same bytes again"),
        ("writes a replay anew", "the same key and body get the same bytes again"),
        ("does not mark a replay", "a replay says Idempotent-Replayed: true"),
        ("ignores the body of a repeated key", "the same key with another body is refused with 422"),
        ("lets anybody in", "a wrong secret is refused with 401 AUTHENTICATION_ERROR"),
        ("pays to any address", "a bad UPI address is refused with 400 INVALID_VPA"),
        ("signs with another secret", "the shop hears of both payments, well signed"),
        ("signs the standard way wrongly", "the shop hears of both payments, well signed"),
        ("leaves the standard signature out", "the shop hears of both payments, well signed"),
        ("loses an event", "the shop hears of both payments, well signed"),
        ("skips a number", "their sequence has no gap"),
        ("gives a number twice", "their sequence has no gap"),
        ("numbers backwards", "their sequence has no gap"),
        ("never notes a delivery", "the gateway's log shows each of them delivered"),
        ("counts below nothing", "the job counts make sense"),
        ("counts in words", "the job counts make sense"),
        ("counts nothing as done", "the job counts make sense"),
        ("says that its jobs rest", "the worker runs"),
    ],
)
def test_a_gateway_that(tell: Tell, flaw: str, expected: str) -> None:
    held, printed = tell(flaw)
    assert held is False
    assert expected in missed(printed)
    # The rest of the story is told to its end.
    assert "✓ the shop is open" in printed
    assert printed.splitlines()[-1].endswith("of 11 did not hold.")


def test_what_came_is_told_beside_what_was_expected(tell: Tell) -> None:
    _, printed = tell("its worker has stopped")
    [line] = [line for line in printed.splitlines() if line.startswith("✗")]
    assert "degraded" in line


def test_a_leaked_card_is_not_printed_again(tell: Tell) -> None:
    _, printed = tell("echoes the number")
    assert "4111 1111" not in printed


def test_one_flaw_is_one_cross(tell: Tell) -> None:
    _, printed = tell("pays to any address")
    assert len(missed(printed)) == 1
    assert printed.splitlines()[-1] == "1 of 11 did not hold."


def test_answers_that_are_no_json_are_crosses_and_no_traceback(tell: Tell) -> None:
    held, printed = tell("answers everything with a page")
    assert held is False
    assert len(missed(printed)) == 10
    assert "<html>welcome</html>" in printed


def test_a_gateway_that_is_away_is_crosses_and_no_traceback(
    shop_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    held = check.run(f"http://127.0.0.1:{unused_port()}", shop_url, KEY, SECRET, patience_s=PATIENCE_S)
    printed = capsys.readouterr().out
    assert held is False
    assert len(missed(printed)) == 10
    assert "Connection refused" in printed


def test_a_gateway_that_is_still_starting_is_waited_for(
    shop_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = unused_port()
    server = None

    def open_late() -> None:
        nonlocal server
        time.sleep(0.5)
        app = LittleGateway(shop_url).app()
        server = make_server("127.0.0.1", port, app, threaded=True, request_handler=QuietHandler)
        server.serve_forever(0.02)

    starting = threading.Thread(target=open_late, daemon=True)
    starting.start()
    held = check.run(f"http://127.0.0.1:{port}", shop_url, KEY, SECRET, patience_s=10)
    assert held, capsys.readouterr().out
    assert server is not None
    server.shutdown()
    starting.join()
    server.server_close()


def test_a_shop_that_is_away_leaves_the_rest_of_the_story_standing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = f"http://127.0.0.1:{unused_port()}"

    class Deaf(LittleGateway):
        def emit(self, event: str, payment: dict[str, Any]) -> None:
            pass

    with serving(Deaf(away).app()) as url:
        held = check.run(url, away, KEY, SECRET, patience_s=PATIENCE_S)
    printed = capsys.readouterr().out
    assert held is False
    assert missed(printed) == [
        "the shop is open",
        "the shop hears of both payments",
        "their sequence has no gap",
        "the gateway's log shows each of them delivered",
    ]
    assert "✓ the UPI payment succeeds" in printed


def test_what_the_shop_could_not_verify_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    doubting = create_app(Settings(webhook_secret=WEBHOOK_SECRET))

    @doubting.after_request
    def doubt(answer: Response) -> Response:
        if answer.is_json:
            answer.data = answer.data.replace(b'"signature_ok":true', b'"signature_ok":false')
        return answer

    with serving(doubting) as doubting_url, serving(LittleGateway(doubting_url).app()) as url:
        assert check.run(url, doubting_url, KEY, SECRET, patience_s=PATIENCE_S) is False
    assert missed(capsys.readouterr().out) == [
        "the shop hears of both payments, well signed",
        "their sequence has no gap",
    ]


def test_what_the_shop_heard_of_an_older_database_is_no_flaw(
    shop_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        with serving(LittleGateway(shop_url).app()) as url:
            held = check.run(url, shop_url, KEY, SECRET, patience_s=PATIENCE_S)
    assert held, capsys.readouterr().out


def test_a_terminal_without_ticks_is_no_reason_to_stop(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    held, _ = tell("")
    assert held is True
    plain.seek(0)
    assert plain.readline().startswith("? the gateway is healthy ..")
