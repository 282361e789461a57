"""Signatures, judged by people who did not write them."""

import base64
import hashlib
import hmac
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.core import signing

BODY = '{"event":"payment.success","data":{"payment":{"id":"pay_1","by":"मीरा 🎁"}}}'.encode()
SEEDED = "whsec_test_abc123"


def headers(secret: str, body: bytes = BODY, attempt: int = 1) -> dict[str, str]:
    return signing.headers(
        event_id="evt_0123456789abcdef", event="payment.success", body=body, secret=secret, attempt=attempt
    )


def test_a_new_secret_is_32_bytes_behind_its_prefix_and_never_the_same() -> None:
    made = {signing.new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
        assert len(secret) <= 64


def test_the_standard_webhooks_library_accepts_our_headers() -> None:
    for _ in range(20):
        secret = signing.new_secret()
        heard = Webhook(secret).verify(BODY, headers(secret))
        assert heard["data"]["payment"]["by"] == "मीरा 🎁"


def test_the_standard_webhooks_library_refuses_another_body_secret_or_id() -> None:
    secret = signing.new_secret()
    signed = headers(secret)
    for given_headers, body, key in (
        (signed, BODY + b" ", secret),
        (signed, BODY, signing.new_secret()),
        (signed | {"webhook-id": "evt_other"}, BODY, secret),
        (signed | {"webhook-timestamp": str(int(time.time()) - 1)}, BODY, secret),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, given_headers, json_parse=False)


def test_the_published_signature_is_an_hmac_of_the_body_in_lower_case_hex() -> None:
    by_hand = hmac.new(SEEDED.encode("utf-8"), BODY, hashlib.sha256).hexdigest()
    assert signing.signature(BODY, SEEDED) == by_hand == headers(SEEDED)["X-Webhook-Signature"]
    assert re.fullmatch(r"[0-9a-f]{64}", by_hand)


def test_the_published_signature_of_a_known_body_never_changes() -> None:
    """Computed once with `openssl dgst -sha256 -hmac whsec_test_abc123`."""
    assert (
        signing.signature(b'{"event":"payment.success"}', SEEDED)
        == "68db5c712c1755f85e19c06ec783197c7fc580436ea7bb9a6a98667e92b7daf5"
    )


def test_the_seeded_secret_is_no_base64_and_signs_as_it_is() -> None:
    signed = headers(SEEDED)
    content = f"{signed['webhook-id']}.{signed['webhook-timestamp']}.".encode() + BODY
    by_hand = base64.b64encode(hmac.new(SEEDED.encode(), content, hashlib.sha256).digest()).decode()
    assert signed["webhook-signature"] == f"v1,{by_hand}"


def test_a_generated_secret_signs_with_its_decoded_part() -> None:
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    by_hand = base64.b64encode(hmac.new(key, b"evt_1.1700000000." + BODY, hashlib.sha256).digest()).decode()
    assert signing.standard_signature("evt_1", 1_700_000_000, BODY, secret) == f"v1,{by_hand}"


def test_the_example_of_the_standard_signs_as_the_standard_says() -> None:
    """The worked example of standardwebhooks.com, also in its reference libraries' tests."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signing.standard_signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}', secret
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["geheim", "whsec_ключ", "whsec_abc", "whsec_a-b_", "₹₹₹", "whsec_====", "x" * 201]
)
def test_a_secret_that_is_no_base64_signs_as_its_utf8(secret: str) -> None:
    by_hand = base64.b64encode(hmac.new(secret.encode(), b"e.1.b", hashlib.sha256).digest()).decode()
    assert signing.standard_signature("e", 1, b"b", secret) == f"v1,{by_hand}"


def test_a_secret_without_the_prefix_signs_as_the_standards_library_reads_it() -> None:
    secret = base64.b64encode(bytes(range(24))).decode()
    Webhook(secret).verify(BODY, headers(secret))


@given(st.binary(), st.text(st.characters(codec="utf-8")))
def test_what_was_signed_verifies_and_nothing_else_does(body: bytes, secret: str) -> None:
    good = signing.signature(body, secret)
    assert signing.verify(body, good, secret)
    assert not signing.verify(body + b"x", good, secret)
    assert not signing.verify(body, good, secret + "x")
    assert not signing.verify(body, good[:-1], secret)
    assert not signing.verify(body, good.upper() + "é", secret)


def test_a_delivery_carries_the_headers_of_the_contract() -> None:
    sent = headers(SEEDED, attempt=3)
    assert set(sent) == {
        "Content-Type", "User-Agent", "X-Webhook-Signature", "X-Webhook-Event", "X-Webhook-Attempt",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }  # fmt: skip
    assert sent["Content-Type"] == "application/json"
    assert (sent["webhook-id"], sent["X-Webhook-Event"]) == ("evt_0123456789abcdef", "payment.success")
    assert sent["X-Webhook-Attempt"] == "3"
    assert abs(int(sent["webhook-timestamp"]) - time.time()) < 2
    assert all(isinstance(value, str) and value.isascii() for value in sent.values())
