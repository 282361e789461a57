"""The test shop's door: what it believes, what it refuses, and what it shows."""

import hashlib
import hmac
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import urllib3
from flask.testing import FlaskClient

from test_merchant import settings
from test_merchant.app import MAX_BODY_BYTES, create_app
from test_merchant.inbox import KEPT, KEPT_REFUSED, REMEMBERED_IDS, Arrival, Inbox
from test_merchant.settings import Settings
from test_merchant.signature import verify
from test_merchant.standard_webhook import verify_standard
from tests.shop.letters import (
    ROLLED_SECRET,
    SECRET,
    arrivals,
    as_v1,
    deliver,
    event_body,
    signed,
    standard_headers,
)

ROOT = Path(__file__).parents[2]

# Made with: printf '%s' '{"event":"payment.success"}' | openssl dgst -sha256 -hmac whsec_test_abc123
BODY = b'{"event":"payment.success"}'
SIGNATURE = "68db5c712c1755f85e19c06ec783197c7fc580436ea7bb9a6a98667e92b7daf5"


@pytest.fixture
def client() -> FlaskClient:
    return create_app(Settings()).test_client()


class TestTheSignature:
    def test_it_fits_what_openssl_computes(self) -> None:
        assert verify(BODY, SIGNATURE, SECRET)

    def test_a_changed_byte_is_refused(self) -> None:
        assert not verify(BODY.replace(b"success", b"succesS"), SIGNATURE, SECRET)

    def test_the_same_json_written_otherwise_is_refused(self) -> None:
        assert not verify(b'{"event": "payment.success"}', SIGNATURE, SECRET)

    def test_another_secret_is_refused(self) -> None:
        assert not verify(BODY, SIGNATURE, SECRET + "x")

    def test_upper_case_hex_is_refused(self) -> None:
        assert not verify(BODY, SIGNATURE.upper(), SECRET)

    @pytest.mark.parametrize("given", ["", "0", SIGNATURE[:-1], SIGNATURE + "0", "sha256=" + SIGNATURE])
    def test_anything_but_the_whole_signature_is_refused(self, given: str) -> None:
        assert not verify(BODY, given, SECRET)

    @pytest.mark.parametrize("given", ["é" * 64, "नमस्ते", "\udcff", SIGNATURE[:-1] + "é"])
    def test_text_that_is_not_ascii_is_refused_and_raises_nothing(self, given: str) -> None:
        assert not verify(BODY, given, SECRET)

    def test_bodies_and_secrets_beyond_ascii_are_signed_as_utf8(self) -> None:
        body = '{"name":"मीरा 🎁"}'.encode()
        assert verify(body, signed(body, "गुप्त"), "गुप्त")


class TestTheStandardSignature:
    def check(
        self, headers: dict[str, str], body: bytes = BODY, secret: str = ROLLED_SECRET, late_s: int = 0
    ) -> bool | None:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        given, now_s = headers["webhook-signature"], time.time() + late_s
        return verify_standard(body, message_id, timestamp, given, secret, now_s)

    def test_it_fits_what_the_standards_library_signs(self) -> None:
        assert self.check(standard_headers(BODY, "evt_1")) is True

    def test_a_changed_body_id_or_secret_is_refused(self) -> None:
        headers = standard_headers(BODY, "evt_1")
        assert self.check(headers, body=BODY + b" ") is False
        assert self.check(headers | {"webhook-id": "evt_2"}) is False
        assert self.check(headers, secret=SECRET) is False

    def test_five_minutes_may_lie_between_and_no_more(self) -> None:
        headers = standard_headers(BODY, "evt_1")
        verdicts = [self.check(headers, late_s=late_s) for late_s in (-310, -290, 290, 310)]
        assert verdicts == [False, True, True, False]

    @pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "१७०५३१५८७०", "9" * 400])
    def test_a_timestamp_that_is_none_is_refused(self, timestamp: str) -> None:
        assert self.check(standard_headers(BODY, "evt_1") | {"webhook-timestamp": timestamp}) is False

    def test_one_good_signature_among_several_is_enough(self) -> None:
        headers = standard_headers(BODY, "evt_1")
        several = f"v1a,abc {'v1,' + 'A' * 43}= {headers['webhook-signature']}"
        assert self.check(headers | {"webhook-signature": several}) is True

    @pytest.mark.parametrize("secret", [SECRET, "whsec_c2hvcnQ=", "whsec_" + "A" * 40 + "!-_", "गुप्त"])
    def test_a_secret_that_is_no_key_in_base64_signs_as_it_is_written(self, secret: str) -> None:
        timestamp = str(int(time.time()))
        content = b"evt_1." + timestamp.encode() + b"." + BODY
        digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
        headers = {"webhook-id": "evt_1", "webhook-timestamp": timestamp, "webhook-signature": as_v1(digest)}
        assert self.check(headers, secret=secret) is True

    def test_without_the_header_there_is_no_verdict(self) -> None:
        assert verify_standard(BODY, "evt_1", "1705315870", "", ROLLED_SECRET, time.time()) is None


class TestWhatArrives:
    def test_a_genuine_event_is_answered_200_and_kept_with_its_fields(self, client: FlaskClient) -> None:
        assert deliver(client, event_body(7), X_Webhook_Attempt="3").status_code == 200
        [row] = arrivals(client)
        assert datetime.fromisoformat(row.pop("received_at")).tzinfo is not None
        assert row == {
            "id": "evt_0000000000000007",
            "event": "payment.success",
            "sequence": 7,
            "payment_id": "pay_H8sK3jD9s2L1pQr0",
            "order_id": "order_NXhj67fGH2jk9mPq",
            "status": "success",
            "attempt": 3,
            "signature_ok": True,
            "standard_ok": None,
            "repeat": False,
            "answer": 200,
        }

    def test_a_forged_one_is_answered_401_and_none_of_its_body_is_believed(self, client: FlaskClient) -> None:
        answer = deliver(client, event_body(7), X_Webhook_Signature="0" * 64)
        assert answer.status_code == 401
        [row] = arrivals(client)
        assert (row["signature_ok"], row["answer"]) == (False, 401)
        assert (row["event"], row["payment_id"]) == (None, None)

    def test_a_missing_signature_is_refused(self, client: FlaskClient) -> None:
        assert client.post("/webhook", data=event_body()).status_code == 401

    def test_a_signature_that_is_not_ascii_is_refused(self, client: FlaskClient) -> None:
        environ = {"HTTP_X_WEBHOOK_SIGNATURE": "é" * 64}
        assert client.post("/webhook", data=event_body(), environ_overrides=environ).status_code == 401

    def test_both_signatures_are_judged_separately(self) -> None:
        client = create_app(Settings(webhook_secret=ROLLED_SECRET)).test_client()
        body, other = event_body(1), event_body(2)
        hex_ok = {"X-Webhook-Signature": signed(body, ROLLED_SECRET)}
        client.post("/webhook", data=body, headers=hex_ok | standard_headers(body, "evt_1"))
        client.post("/webhook", data=body, headers=hex_ok | standard_headers(other, "evt_2"))
        client.post("/webhook", data=body, headers=standard_headers(body, "evt_3"))
        verdicts = [(row["signature_ok"], row["standard_ok"]) for row in arrivals(client)]
        assert verdicts == [(False, True), (True, False), (True, True)]

    def test_the_second_time_is_a_repeat_and_still_answered_200(self, client: FlaskClient) -> None:
        answers = [deliver(client, event_body(number)).status_code for number in (1, 1, 2)]
        assert answers == [200, 200, 200]
        assert [row["repeat"] for row in arrivals(client)] == [False, True, False]

    def test_a_forged_one_does_not_make_the_real_one_a_repeat(self, client: FlaskClient) -> None:
        deliver(client, event_body(1), X_Webhook_Signature="0" * 64, webhook_id="evt_0000000000000001")
        deliver(client, event_body(1))
        assert arrivals(client)[0]["repeat"] is False

    def test_without_an_id_in_the_body_the_header_names_the_event(self, client: FlaskClient) -> None:
        for name in ("evt_a", "evt_a", "evt_b"):
            deliver(client, BODY, webhook_id=name)
        assert [(row["id"], row["repeat"]) for row in arrivals(client)] == [
            ("evt_b", False),
            ("evt_a", True),
            ("evt_a", False),
        ]

    def test_twenty_at_the_same_moment_are_acted_on_once(self) -> None:
        app = create_app(Settings())
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: deliver(app.test_client(), event_body()), range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20
        assert [row["repeat"] for row in arrivals(app.test_client())].count(False) == 1

    @pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
    def test_signed_nonsense_is_answered_400(self, client: FlaskClient, body: bytes) -> None:
        assert deliver(client, body).status_code == 400

    def test_fields_of_the_wrong_kind_are_left_out(self, client: FlaskClient) -> None:
        body = event_body(id=[], event={}, sequence=True, data={"payment": ["pay_1"], "refund": 7})
        assert deliver(client, body, X_Webhook_Attempt="²").status_code == 200
        [row] = arrivals(client)
        shown = {row[name] for name in ("id", "event", "sequence", "payment_id", "status", "attempt")}
        assert shown == {None}

    def test_a_body_too_large_is_refused_and_not_kept(self, client: FlaskClient) -> None:
        assert deliver(client, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
        assert arrivals(client) == []

    def test_delete_forgets_the_rows_and_the_ids(self, client: FlaskClient) -> None:
        deliver(client, event_body())
        assert client.delete("/events.json").status_code == 204
        assert arrivals(client) == []
        deliver(client, event_body())
        assert arrivals(client)[0]["repeat"] is False


class TestOnPurpose:
    def test_the_first_n_fail_and_the_one_that_gets_through_is_no_repeat(self) -> None:
        client = create_app(Settings(fail_first_n=2)).test_client()
        assert [deliver(client, event_body()).status_code for _ in range(4)] == [500, 500, 200, 200]
        newest_first = [(row["answer"], row["repeat"]) for row in arrivals(client)]
        assert newest_first == [(200, True), (200, False), (500, False), (500, False)]

    def test_a_slow_shop_keeps_the_event_before_it_answers(self) -> None:
        app = create_app(Settings(slow_ms=1500))
        started = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(deliver, app.test_client(), event_body())
            while not arrivals(app.test_client()):
                assert time.monotonic() - started < 1.4
                time.sleep(0.01)
            assert not answer.done()
            assert answer.result().status_code == 200
        assert time.monotonic() - started >= 1.5


class TestTheInbox:
    def arrival(self, number: int, is_genuine: bool = True) -> Arrival:
        answer = 200 if is_genuine else 401
        return Arrival("2026-01-15T10:31:00Z", answer, is_genuine, None, 1, id=f"evt_{number}")

    def test_it_keeps_the_newest_and_no_more(self) -> None:
        inbox = Inbox()
        for number in range(KEPT + 20):
            inbox.add(self.arrival(number))
        kept = [arrival.id for arrival in inbox.newest_first()]
        assert kept == [f"evt_{number}" for number in range(KEPT + 19, 19, -1)]

    def test_a_flood_of_forgeries_does_not_push_out_the_real_ones(self) -> None:
        inbox = Inbox()
        inbox.add(self.arrival(0))
        for number in range(1, 2 * KEPT):
            inbox.add(self.arrival(number, is_genuine=False))
        kept = inbox.newest_first()
        assert len(kept) == KEPT_REFUSED + 1
        assert kept[-1].id == "evt_0"

    def test_the_ids_it_knows_are_bounded_too(self) -> None:
        inbox = Inbox()
        assert inbox.add(self.arrival(0)) is True
        assert inbox.add(self.arrival(0)) is False
        for number in range(1, REMEMBERED_IDS + 1):
            inbox.add(self.arrival(number))
        assert inbox.add(self.arrival(0)) is True


class TestThePages:
    def test_an_empty_inbox_says_what_to_do(self, client: FlaskClient) -> None:
        page = client.get("/events", headers={"Host": "shop.test:4000"}).text
        assert 'data-test-id="no-events"' in page
        assert "http://shop.test:4000/webhook" in page

    def test_what_came_is_shown_newest_first_with_its_marks(self, client: FlaskClient) -> None:
        deliver(client, event_body(1))
        deliver(client, event_body(1))
        deliver(client, event_body(2), X_Webhook_Signature="0" * 64)
        rows = client.get("/events").text.split('data-test-id="event-row"')[1:]
        shown = [re.findall(r"refused|repeat|first time|invalid|(?<!in)valid", row) for row in rows]
        assert shown == [["invalid", "refused"], ["valid", "repeat"], ["valid", "first time"]]

    def test_the_page_and_its_live_part_show_the_same(self, client: FlaskClient) -> None:
        deliver(client, event_body(1))
        assert client.get("/events/list").text in client.get("/events").text

    def test_a_list_that_has_not_changed_is_not_sent_again(self, client: FlaskClient) -> None:
        etag = client.get("/events/list").headers["ETag"]
        assert client.get("/events/list", headers={"If-None-Match": etag}).status_code == 304
        deliver(client, event_body(1))
        assert client.get("/events/list", headers={"If-None-Match": etag}).status_code == 200

    def test_what_a_stranger_wrote_stays_text(self, client: FlaskClient) -> None:
        deliver(client, BODY, X_Webhook_Signature="0", webhook_id="<script>alert(1)</script>")
        assert "&lt;script&gt;" in (page := client.get("/events").text)
        assert "<script>alert" not in page

    def test_half_a_character_does_not_break_the_page(self, client: FlaskClient) -> None:
        deliver(client, b'{"id":"evt_1","event":"\\ud800","data":{}}')
        assert client.get("/events").status_code == 200

    @pytest.mark.parametrize("path", ["/", "/items/teapot", "/cart", "/orders", "/events", "/nowhere"])
    def test_no_page_carries_script_or_style_of_its_own(self, client: FlaskClient, path: str) -> None:
        deliver(client, event_body())
        page = client.get(path)
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<style|style=|<script>|\son\w+=", page.text)

    def test_health(self, client: FlaskClient) -> None:
        answer = client.get("/health")
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


class TestTheSettings:
    def test_without_an_environment_they_are_the_sandbox(self) -> None:
        assert settings.read({}) == Settings()

    def test_the_checkout_is_where_the_gateway_is_unless_it_is_told(self) -> None:
        assert settings.read({"GATEWAY_URL": "http://api:8000/"}).checkout_url == "http://api:8000"
        both = {"GATEWAY_URL": "http://api:8000", "CHECKOUT_URL": "http://localhost:3001"}
        assert settings.read(both).checkout_url == "http://localhost:3001"

    def test_an_empty_secret_does_not_let_forgeries_in(self) -> None:
        assert settings.read({"WEBHOOK_SECRET": ""}).webhook_secret == SECRET

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "http"),
            ("PORT", "65536"),
            ("SLOW_MS", "-1"),
            ("FAIL_FIRST_N", "²"),
            ("GATEWAY_URL", "api:8000"),
        ],
    )
    def test_nonsense_is_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=name):
            settings.read({name: value})


class TestTheProcess:
    def test_it_opens_quietly_takes_a_webhook_and_closes_when_asked(self) -> None:
        shop = subprocess.Popen(
            [sys.executable, "-m", "test_merchant"],
            cwd=ROOT,
            env=os.environ | {"PORT": "0", "HOST": "127.0.0.1", "WEBHOOK_SECRET": ROLLED_SECRET},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert shop.stdout is not None
            [port] = re.findall(r"http://localhost:(\d+)", shop.stdout.readline())
            url = f"http://127.0.0.1:{port}"
            headers = {"X-Webhook-Signature": signed(BODY, ROLLED_SECRET)} | standard_headers(BODY, "evt_1")
            with urllib3.PoolManager(timeout=5, retries=False) as http:
                assert http.request("POST", f"{url}/webhook", body=BODY, headers=headers).status == 200
                [row] = http.request("GET", f"{url}/events.json").json()
            assert (row["signature_ok"], row["standard_ok"]) == (True, True)
            shop.send_signal(signal.SIGTERM)
            _, complaints = shop.communicate(timeout=10)
            assert shop.returncode == 0
            assert complaints == ""
        finally:
            shop.kill()
            shop.wait()

    @pytest.mark.parametrize(
        ("name", "value"), [("PORT", "http"), ("SHOP_DB", "/dev/null/shop.db"), ("SHOP_DB", str(ROOT))]
    )
    def test_what_it_cannot_use_is_said_in_one_line(self, name: str, value: str) -> None:
        shop = subprocess.run(
            [sys.executable, "-m", "test_merchant"],
            cwd=ROOT,
            env=os.environ | {"PORT": "0", name: value},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert shop.returncode == 1
        assert re.fullmatch(rf"test_merchant: {name}.*\n", shop.stderr)

    def test_it_imports_nothing_of_the_gateway(self) -> None:
        script = "import sys, test_merchant.__main__; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
        modules = loaded.stdout.decode().split()
        assert "test_merchant.app" in modules
        assert [module for module in modules if module.split(".")[0] == "gateway"] == []
