"""Webhooks over TLS: certificates are checked, and time is bounded there as well."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.adapters.sender import Sender

from .conftest import Caller, Receiver, response
from .test_sender import Beginner

Receive = Callable[..., Receiver]


@pytest.fixture(params=[Sender, Beginner])
def trusting(request: pytest.FixtureRequest, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """Lives on a machine that trusts the certificate; gives each attempt a third of a second."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    made: Sender = request.param(allow_private=True, timeout_s=0.3)
    return made


def test_a_certificate_that_nobody_vouches_for_is_refused_in_clear_words(
    receive: Receive, tls: ssl.SSLContext
) -> None:
    receiver = receive(tls=tls)
    receipt = Sender(allow_private=True).post(f"https://localhost:{receiver.port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert receipt.error is not None
    assert "TLS" in receipt.error
    assert "certificate" in receipt.error
    assert receiver.requests == []


def test_a_certificate_of_another_name_is_refused(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext
) -> None:
    receiver = receive(tls=tls)
    receipt = trusting.post(f"https://127.0.0.1:{receiver.port}/", b"{}", {})
    assert receipt.outcome == "unreachable"
    assert "TLS" in (receipt.error or "")
    assert receiver.requests == []


def test_a_trusted_receiver_is_reached_and_its_connection_kept(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext
) -> None:
    receiver = receive(tls=tls)
    for _ in range(3):
        receipt = trusting.post(f"https://localhost:{receiver.port}/", b"{}", {})
        assert (receipt.outcome, receipt.response_body) == ("success", "ok")
    assert (receiver.connections, len(receiver.requests)) == (1, 3)


@pytest.mark.parametrize("answered", [1, 2])
def test_a_kept_connection_that_closes_as_it_is_used_is_tried_once_more(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext, answered: int
) -> None:
    def script(caller: Caller) -> None:
        left = answered if caller.number == 1 else 100
        while caller.hear() and left > 0:
            caller.say(response())
            left -= 1

    receiver = receive(script, tls=tls)
    for _ in range(answered + 1):
        receipt = trusting.post(f"https://localhost:{receiver.port}/", b"{}", {})
        assert receipt.is_success, receipt
    assert (receiver.connections, len(receiver.requests)) == (2, answered + 2)


def test_a_port_that_never_shakes_hands_is_a_timeout(trusting: Sender, receive: Receive) -> None:
    receiver = receive(lambda caller: caller.receiver.ended.wait(10))
    began = time.monotonic()
    receipt = trusting.post(f"https://localhost:{receiver.port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("timeout", None)
    assert 0.25 <= time.monotonic() - began < 0.7


def test_a_handshake_that_drips_is_a_timeout(trusting: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.connection.recv(4096)
        caller.say(b"\x16\x03\x03\x20\x00")  # a handshake record of 8 kB
        while not caller.receiver.ended.wait(0.05):
            caller.say(b"\x02")

    began = time.monotonic()
    receipt = trusting.post(f"https://localhost:{receive(script).port}/", b"{}", {})
    assert receipt.outcome == "timeout"
    assert 0.25 <= time.monotonic() - began < 0.7


def test_headers_that_drip_through_tls_are_a_timeout(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext
) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not caller.receiver.ended.wait(0.05):
            caller.say(b"x")

    began = time.monotonic()
    receipt = trusting.post(f"https://localhost:{receive(script, tls=tls).port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("timeout", None)
    assert 0.25 <= time.monotonic() - began < 0.7


def test_a_status_in_time_counts_though_its_body_drips_through_tls(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext
) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        while not caller.receiver.ended.wait(0.05):
            caller.say(b"x")

    began = time.monotonic()
    receipt = trusting.post(f"https://localhost:{receive(script, tls=tls).port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("success", 200)
    assert 0.25 <= time.monotonic() - began < 0.7


def test_a_plain_receiver_behind_an_https_address_is_unreachable(trusting: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.connection.recv(4096)
        caller.say(response("400 Bad Request", b"this is http"))

    receipt = trusting.post(f"https://localhost:{receive(script).port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert "TLS" in (receipt.error or "")


def test_a_tls_receiver_behind_an_http_address_is_unreachable(
    trusting: Sender, receive: Receive, tls: ssl.SSLContext
) -> None:
    receiver = receive(tls=tls)
    receipt = trusting.post(f"http://localhost:{receiver.port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
