"""Forms of the dashboard, sent by several at the same moment: two windows, or one impatient finger."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import pytest
import urllib3
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from gateway.core import clock
from gateway.core.config import Config
from gateway.core.db import session, transaction
from gateway.domain import sessions
from gateway.models import User
from tests.races.crowd import at_once

ROUNDS = 5
AMOUNT = 50_000

Rows = Callable[..., list[dict]]


@dataclass
class Window:
    """A browser in which the merchant's owner is signed in."""

    address: str
    cookie: str
    http: urllib3.PoolManager
    csrf_token: str = ""

    def get(self, path: str) -> str:
        answer = self.http.request("GET", self.address + path, headers={"Cookie": self.cookie})
        assert answer.status == 200, answer.data
        # The page's token belongs to the cookie that came with it.
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        return answer.data.decode()

    def send(self, path: str, **fields: str) -> int:
        answer = self.http.request_encode_body(
            "POST",
            self.address + path,
            fields={"csrf_token": self.csrf_token, **fields},
            encode_multipart=False,
            headers={"Cookie": self.cookie},
            redirect=False,
        )
        return answer.status


@pytest.fixture
def window(web_port: int, merchant_id: str, config: Config) -> Window:
    now, user_id = clock.now(), str(uuid4())
    with transaction():
        session().add(
            User(
                id=user_id,
                merchant_id=merchant_id,
                email=f"{user_id}@example.com",
                password_hash="nobody signs in with it",
                created_at=now,
                updated_at=now,
            )
        )
        session().flush()
        token = sessions.begin(user_id, "tests")
    app = Flask("cookies")
    app.secret_key = config.secret_key
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    value = signer.dumps({"_user_id": token, "_fresh": True, "_permanent": True})
    window = Window(
        f"http://127.0.0.1:{web_port}",
        f"gateway_session={value}",
        urllib3.PoolManager(maxsize=20, retries=False, timeout=30),
    )
    found = re.search(r'name="csrf_token" value="([^"]+)"', window.get("/dashboard/orders/new"))
    assert found is not None
    window.csrf_token = found[1]
    return window


def refund(payment_id: str) -> str:
    return f"/dashboard/transactions/{payment_id}/refund"


def test_two_refunds_from_two_windows_do_not_both_fit(window: Window, paid, audit, rows: Rows) -> None:
    for _ in range(ROUNDS):
        payment_id = paid(AMOUNT)
        acts = [
            partial(window.send, refund(payment_id), amount_text="400", form_id=f"form_{n}") for n in range(2)
        ]
        assert Counter(at_once(acts)) == {303: 1, 400: 1}
        (row,) = rows("SELECT * FROM payments WHERE id = :id", id=payment_id)
        assert row["refunds_reserved"] == 40_000
    audit()


@pytest.mark.parametrize("amount_text", ["100", "500"])
def test_a_form_sent_eight_times_at_once_refunds_once(
    window: Window, paid, audit, rows: Rows, amount_text: str
) -> None:
    """Also where the first takes all there is: the others are told of it, not refused."""
    for n in range(ROUNDS):
        payment_id = paid(AMOUNT)
        send = partial(window.send, refund(payment_id), amount_text=amount_text, form_id=f"form_{n}")
        assert Counter(at_once([send] * 8)) == {303: 8}
        assert len(rows("SELECT * FROM refunds WHERE payment_id = :id", id=payment_id)) == 1
    audit()


def test_a_capture_pressed_eight_times_at_once_captures_once(window: Window, paid, audit, rows: Rows) -> None:
    payment_id = paid(AMOUNT)
    press = partial(window.send, f"/dashboard/transactions/{payment_id}/capture")
    assert Counter(at_once([press] * 8)) == {303: 8}
    assert len(rows("SELECT * FROM events WHERE event = 'payment.captured'")) == 1
    audit()


def test_an_order_sent_eight_times_at_once_is_made_once(window: Window, rows: Rows) -> None:
    send = partial(window.send, "/dashboard/orders", amount_text="10", currency="INR", form_id="form_1")
    assert Counter(at_once([send] * 8)) == {303: 8}
    assert len(rows("SELECT * FROM orders")) == 1
