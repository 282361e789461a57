"""Webhooks over real sockets: what counts as delivered, and how little a receiver can do to us."""

import gzip
import threading
import time
from collections.abc import Callable

import pytest

from gateway.adapters import answers
from gateway.adapters.sender import MAX_KEPT_BYTES, TIMEOUT_S, Sender
from gateway.core.sending import Receipt

from .conftest import Caller, Receiver, response

BODY = '{"event":"payment.success","data":{"payment":{"id":"pay_1","by":"मीरा 🎁"}}}'.encode()
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "PaymentGateway-Webhooks/1.0",
    "X-Webhook-Signature": "0" * 64,
    "webhook-id": "evt_0123456789abcdef",
}

# Half a second, and what a busy machine needs on top.
WITHIN_S = 0.9

Receive = Callable[..., Receiver]


class Beginner(Sender):
    """Begins its posts, as the worker does, and only then waits for them."""

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Receipt:
        return self.begin(url, body, headers).result(20)


@pytest.fixture(params=[Sender, Beginner])
def make(request: pytest.FixtureRequest) -> Callable[..., Sender]:
    """A sender, asked for one post or told to begin it: the same comes of it."""
    made: Callable[..., Sender] = request.param
    return made


@pytest.fixture
def sender(make: Callable[..., Sender]) -> Sender:
    """Sends to this machine, and is as patient as in production."""
    return make(allow_private=True)


@pytest.fixture
def hasty(make: Callable[..., Sender]) -> Sender:
    """Gives each attempt half a second."""
    return make(allow_private=True, timeout_s=0.5)


def post(sender: Sender, url: str) -> Receipt:
    return sender.post(url, BODY, HEADERS)


def test_an_attempt_takes_five_seconds_at_most() -> None:
    assert TIMEOUT_S == 5.0


# What is sent


def test_the_receiver_sees_the_very_bytes_and_headers(sender: Sender, receive: Receive) -> None:
    receiver = receive()
    post(sender, f"{receiver.url}?a=1&b=%20")
    ((head, body),) = receiver.requests
    assert body == BODY
    request, *lines = head.split("\r\n")
    assert request == "POST /webhook?a=1&b=%20 HTTP/1.1"
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields.items() >= HEADERS.items()
    assert fields["Host"] == f"127.0.0.1:{receiver.port}"
    assert fields["Content-Length"] == str(len(BODY))
    # Nothing that asks for an answer we would not decode, and no header twice.
    assert fields.get("Accept-Encoding", "identity") == "identity"
    assert len({line.split(":")[0].lower() for line in lines}) == len(lines)


def test_a_proxy_of_the_environment_is_not_asked(
    receive: Receive, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    receiver = receive()
    assert post(Sender(allow_private=True), receiver.url).is_success
    assert receiver.connections == 1


# What counts


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "299 Fine"])
def test_any_2xx_is_success(sender: Sender, receive: Receive, status: str) -> None:
    receipt = post(sender, receive(response(status, b"thanks")).url)
    assert receipt == Receipt("success", receipt.duration_ms, int(status[:3]), "thanks")
    assert 0 <= receipt.duration_ms < 1000


def test_a_204_without_a_body_is_success(sender: Sender, receive: Receive) -> None:
    receipt = post(sender, receive(b"HTTP/1.1 204 No Content\r\n\r\n").url)
    assert (receipt.outcome, receipt.response_code, receipt.response_body) == ("success", 204, "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(sender: Sender, receive: Receive, status: int) -> None:
    target = receive()
    receiver = receive(response(f"{status} Elsewhere", b"gone", f"Location: {target.url}"))
    receipt = post(sender, receiver.url)
    assert (receipt.outcome, receipt.response_code, receipt.response_body) == ("refused", status, "gone")
    assert target.connections == 0
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 418, 429, 500, 502, 503, 599])
def test_any_other_answer_is_a_refusal_with_code_and_body(
    sender: Sender, receive: Receive, status: int
) -> None:
    receiver = receive(response(f"{status} No", b'{"error":"no"}'))
    receipt = post(sender, receiver.url)
    assert (receipt.outcome, receipt.response_code) == ("refused", status)
    assert (receipt.response_body, receipt.error) == ('{"error":"no"}', None)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("120", 120),
        ("0", 0),
        ("  7  ", 7),
        ("86401", 86401),
        ("999999999", 999_999_999),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-5", None),
        ("1.5", None),
        ("+5", None),
        ("", None),
        ("\xb2", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_in_seconds(
    sender: Sender, receive: Receive, text: str, wait_s: int | None
) -> None:
    answer = response("503 Later", b"").replace(
        b"\r\n\r\n", f"\r\nRetry-After: {text}\r\n\r\n".encode("latin-1")
    )
    receipt = post(sender, receive(answer).url)
    assert (receipt.response_code, receipt.retry_after_s) == (503, wait_s)


def test_an_answer_without_retry_after_asks_for_no_wait(sender: Sender, receive: Receive) -> None:
    assert post(sender, receive(response("503 Later")).url).retry_after_s is None


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_an_interim_answer_is_not_the_answer(sender: Sender, receive: Receive, interim: str) -> None:
    """A client must be able to read 1xx answers before the final one (RFC 9110, 15.2)."""
    early = f"HTTP/1.1 {interim}\r\nLink: </style.css>\r\n\r\n".encode()
    receiver = receive(early + response("201 Created", b"thanks"))
    for _ in range(2):
        receipt = post(sender, receiver.url)
        assert (receipt.response_code, receipt.response_body) == (201, "thanks")


# What is kept of an answer


@pytest.mark.parametrize("length", [0, 1, 9_999, 10_000])
def test_an_answer_of_up_to_ten_thousand_bytes_is_kept_whole(
    sender: Sender, receive: Receive, length: int
) -> None:
    assert post(sender, receive(response(body=b"x" * length)).url).response_body == "x" * length


@pytest.mark.parametrize("length", [10_001, 100_000, 3_000_000])
def test_of_a_longer_answer_the_beginning_is_kept(sender: Sender, receive: Receive, length: int) -> None:
    assert MAX_KEPT_BYTES == 10_000
    receipt = post(sender, receive(response(body=b"x" * length)).url)
    assert receipt.is_success
    assert receipt.response_body == "x" * 10_000


def test_an_answer_without_end_is_cut_off_and_counts(sender: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while not caller.receiver.ended.is_set():
            caller.say(b"spam" * 10_000)

    receipt = post(sender, receive(script).url)
    assert receipt.is_success
    assert receipt.response_body == ("spam" * 2500)
    assert receipt.duration_ms < 2000


def test_a_chunked_answer_is_put_together(sender: Sender, receive: Receive) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    receiver = receive(head + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n")
    for _ in range(3):
        assert post(sender, receiver.url).response_body == "abcdefg"
    assert receiver.connections == 1


def test_an_answer_that_ends_with_its_connection_is_kept(sender: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(b"HTTP/1.0 200 OK\r\n\r\ngood bye")

    assert post(sender, receive(script).url).response_body == "good bye"


def test_nul_and_broken_text_are_replaced(sender: Sender, receive: Receive) -> None:
    """PostgreSQL takes neither: a text column holds no U+0000 and only valid UTF-8."""
    receipt = post(sender, receive(response(body=b"a\0b\xffc\xed\xa0\x80d \xe2\x82\xb9")).url)
    assert receipt.response_body is not None
    assert "\0" not in receipt.response_body
    receipt.response_body.encode("utf-8")
    assert receipt.response_body.startswith("a\ufffdb\ufffdc")
    assert receipt.response_body.endswith("d ₹")


def test_a_character_cut_in_half_is_replaced(sender: Sender, receive: Receive) -> None:
    receipt = post(sender, receive(response(body=b"x" * 9_999 + "₹".encode())).url)
    assert receipt.response_body == "x" * 9_999 + "\ufffd"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_packed_answer_is_not_unpacked(sender: Sender, receive: Receive, encoding: str) -> None:
    """A few kilobytes of gzip can hold gigabytes."""
    packed = gzip.compress(b"0" * 5_000_000)
    receipt = post(sender, receive(response("200 OK", packed, f"Content-Encoding: {encoding}")).url)
    assert receipt.is_success
    kept = packed[:10_000].decode("utf-8", "replace").replace("\0", "\ufffd")
    assert receipt.response_body == kept


# How long it takes


def drip(first: bytes, rest: bytes = b"x", every_s: float = 0.05) -> Callable[[Caller], None]:
    """Say something at once, and then little by little for longer than anybody should listen."""

    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(first)
        until = time.monotonic() + 2.5
        while not caller.receiver.ended.wait(every_s) and time.monotonic() < until:
            caller.say(rest)

    return script


def say_nothing(caller: Caller) -> None:
    caller.hear()
    caller.receiver.ended.wait(10)


def post_at_once(sender: Sender, receivers: dict[str, Receiver]) -> dict[str, tuple[Receipt, float]]:
    """What became of a webhook to each of these, sent at the same time, and how long each took."""
    ended: dict[str, tuple[Receipt, float]] = {}

    def work(name: str) -> None:
        began = time.monotonic()
        receipt = post(sender, receivers[name].url)
        ended[name] = receipt, time.monotonic() - began

    threads = [threading.Thread(target=work, args=(name,)) for name in receivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return ended


def test_an_answer_that_does_not_come_in_time_is_a_timeout(hasty: Sender, receive: Receive) -> None:
    scripts = {
        "silent": say_nothing,
        "deaf": lambda caller: caller.receiver.ended.wait(10),
        "drips its status line": drip(b"H"),
        "drips a header": drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        "drips headers": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        "drips interim answers": drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    }
    ended = post_at_once(hasty, {name: receive(script) for name, script in scripts.items()})
    took = {name: seconds for name, (_, seconds) in ended.items()}
    wanted = ("timeout", None, None, "No answer within 0.5 s")
    assert {
        name: (receipt.outcome, receipt.response_code, receipt.response_body, receipt.error)
        for name, (receipt, _) in ended.items()
    } == dict.fromkeys(scripts, wanted)
    assert all(0.45 <= seconds < WITHIN_S for seconds in took.values()), took
    assert all(abs(receipt.duration_ms - took[name] * 1000) < 100 for name, (receipt, _) in ended.items())


def test_a_status_in_time_counts_though_its_body_drips(hasty: Sender, receive: Receive) -> None:
    """And the attempt ends in time, however the answer says that it will end."""
    heads = {
        "of known length": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        "without length": b"HTTP/1.1 200 OK\r\n\r\n",
        "to be closed": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n",
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    }
    receivers = {name: receive(drip(head)) for name, head in heads.items()}
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    receivers["chunked"] = receive(drip(chunked, b"1\r\nx\r\n"))
    ended = post_at_once(hasty, receivers)
    assert {
        name: (receipt.outcome, receipt.response_code) for name, (receipt, _) in ended.items()
    } == dict.fromkeys(receivers, ("success", 200))
    took = {name: seconds for name, (_, seconds) in ended.items()}
    assert all(0.45 <= seconds < WITHIN_S for seconds in took.values()), took


def test_a_refusal_in_time_counts_though_its_body_never_comes(hasty: Sender, receive: Receive) -> None:
    heads = {
        "of known length": b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\n",
        "without length": b"HTTP/1.1 410 Gone\r\n\r\n",
    }
    ended = post_at_once(hasty, {name: receive(drip(head, b"")) for name, head in heads.items()})
    for name, (receipt, seconds) in ended.items():
        assert (receipt.outcome, receipt.response_code) == ("refused", 410), name
        assert 0.45 <= seconds < WITHIN_S, name


def test_slow_attempts_do_not_lengthen_each_other(hasty: Sender, receive: Receive) -> None:
    receiver = receive(drip(b"H"))
    receipts: list[Receipt] = []
    threads = [threading.Thread(target=lambda: receipts.append(post(hasty, receiver.url))) for _ in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [receipt.outcome for receipt in receipts] == ["timeout"] * 20
    assert time.monotonic() - began < 1.5


def pausing(pause_s: float) -> Callable[[Caller], None]:
    """Answers one request at once, and the next after so long."""

    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(response())
        caller.hear()
        time.sleep(pause_s)
        caller.say(response())

    return script


def test_an_attempt_is_not_cut_off_for_the_lateness_of_an_earlier_one(
    hasty: Sender, receive: Receive
) -> None:
    """The second one uses the connection of the first, and is half way when the first one's time is over."""

    receiver = receive(pausing(0.35))
    assert post(hasty, receiver.url).is_success
    time.sleep(0.3)
    assert post(hasty, receiver.url).is_success
    assert receiver.connections == 1


# Connections


def test_a_connection_is_kept_for_the_next_webhook(hasty: Sender, receive: Receive) -> None:
    receiver = receive()
    for _ in range(5):
        assert post(hasty, receiver.url).is_success
    time.sleep(0.6)  # longer than an attempt may take
    assert post(hasty, receiver.url).is_success
    assert (receiver.connections, len(receiver.requests)) == (1, 6)


@pytest.mark.parametrize(
    "answer",
    [response(body=b"x" * 20_000), response("200 OK", b"ok", "Connection: close")],
    ids=["too_long", "told_to_close"],
)
def test_a_connection_that_is_not_fit_for_it_is_not_kept(
    sender: Sender, receive: Receive, answer: bytes
) -> None:
    receiver = receive(answer)
    for _ in range(3):
        assert post(sender, receiver.url).is_success
    assert (receiver.connections, len(receiver.requests)) == (3, 3)


def test_what_is_left_of_one_answer_is_not_read_as_the_next(sender: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        smuggled = response("599 Smuggled", b"smuggled")
        caller.say(response(body=b"first") + (smuggled if caller.number == 1 else b""))
        while caller.hear():
            caller.say(response(body=b"second"))

    receiver = receive(script)
    assert post(sender, receiver.url).response_body == "first"
    second = post(sender, receiver.url)
    assert second.response_code != 599, "an answer was taken that came before its question"


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(sender: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(response())

    receiver = receive(script)
    for _ in range(4):
        assert post(sender, receiver.url).is_success
        time.sleep(0.02)
    assert (receiver.connections, len(receiver.requests)) == (4, 4)


def closing(*answered: int) -> Callable[[Caller], None]:
    """Connection n answers `answered[n - 1]` requests and hangs up at the next one; later ones answer all."""

    def script(caller: Caller) -> None:
        left = answered[caller.number - 1] if caller.number <= len(answered) else 1000
        while caller.hear() and left > 0:
            caller.say(response())
            left -= 1

    return script


@pytest.mark.parametrize("answered", [1, 2, 3])
def test_a_kept_connection_that_closes_as_it_is_used_is_tried_once_more(
    sender: Sender, receive: Receive, answered: int
) -> None:
    receiver = receive(closing(answered))
    for _ in range(answered):
        assert post(sender, receiver.url).is_success
    assert receiver.connections == 1
    receipt = post(sender, receiver.url)
    assert receipt.is_success, receipt
    assert receiver.connections == 2
    assert len(receiver.requests) == answered + 2


def test_a_kept_connection_that_falls_silent_is_a_timeout_and_holds_nobody_up(
    hasty: Sender, receive: Receive
) -> None:
    silent, lively = receive(pausing(1.5)), receive()
    assert post(hasty, silent.url).is_success
    assert post(hasty, lively.url).is_success
    waiting, began = hasty.begin(silent.url, BODY, HEADERS), time.monotonic()
    for _ in range(3):
        assert post(hasty, lively.url).is_success
    assert not waiting.done()
    receipt = waiting.result(5)
    assert (receipt.outcome, receipt.response_code) == ("timeout", None)
    assert 0.4 < time.monotonic() - began < WITHIN_S
    assert (silent.connections, len(silent.requests)) == (1, 2)


def test_an_answer_that_cannot_be_taken_is_said_to_whoever_waits(
    sender: Sender, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_heard: bytes) -> None:
        raise ZeroDivisionError

    receiver = receive()
    assert post(sender, receiver.url).is_success
    with monkeypatch.context() as broken:
        broken.setattr(answers, "at_a_glance", break_down)
        with pytest.raises(ZeroDivisionError):
            sender.begin(receiver.url, BODY, HEADERS).result(5)
    assert post(sender, receiver.url).is_success
    assert receiver.connections == 2


def test_it_is_tried_only_once_more(sender: Sender, receive: Receive) -> None:
    receiver = receive(closing(2, 0, 0, 0))
    for _ in range(2):
        assert post(sender, receiver.url).is_success
    receipt = post(sender, receiver.url)
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert receiver.connections == 2
    assert len(receiver.requests) == 4


def test_a_fresh_connection_that_closes_is_not_tried_again(sender: Sender, receive: Receive) -> None:
    receiver = receive(closing(0, 0, 0))
    receipt = post(sender, receiver.url)
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_connection_that_replaced_a_closed_one_counts_as_fresh(
    sender: Sender, receive: Receive, before: int
) -> None:
    """The receiver may have acted on it: the schedule sends it again, not we at once."""

    def script(caller: Caller) -> None:
        if caller.number == 1:
            for _ in range(before):
                caller.hear()
                caller.say(response())
        else:
            caller.hear()

    receiver = receive(script)
    for _ in range(before):
        assert post(sender, receiver.url).is_success
    time.sleep(0.05)  # its FIN arrives, and the connection is known to be closed
    assert post(sender, receiver.url).outcome == "unreachable"
    assert len(receiver.requests) == before + 1


def test_a_kept_connection_that_falls_silent_is_a_timeout_and_no_second_try(
    hasty: Sender, receive: Receive
) -> None:
    def script(caller: Caller) -> None:
        for _ in range(2):
            caller.hear()
            caller.say(response())
        say_nothing(caller)

    receiver = receive(script)
    for _ in range(2):
        assert post(hasty, receiver.url).is_success
    assert post(hasty, receiver.url).outcome == "timeout"
    assert (receiver.connections, len(receiver.requests)) == (1, 3)


def test_both_tries_share_one_deadline(hasty: Sender, receive: Receive) -> None:
    def script(caller: Caller) -> None:
        if caller.number > 1:
            say_nothing(caller)
        for _ in range(2):
            caller.hear()
            caller.say(response())
        caller.hear()
        time.sleep(0.3)

    receiver = receive(script)
    for _ in range(2):
        assert post(hasty, receiver.url).is_success
    began = time.monotonic()
    assert post(hasty, receiver.url).outcome == "timeout"
    assert time.monotonic() - began < 0.75
    assert receiver.connections == 2


def test_many_threads_share_a_sender(sender: Sender, receive: Receive) -> None:
    slow, quick = receive(drip(b"", b"")), receive()
    receipts: list[Receipt] = []

    def work() -> None:
        for _ in range(10):
            receipts.append(post(sender, quick.url))

    patient = threading.Thread(target=lambda: post(sender, slow.url), daemon=True)
    patient.start()
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(receipts) == len(quick.requests) == 160
    assert all(receipt.is_success for receipt in receipts)
    assert quick.connections <= 20


# Receivers that are broken


def test_a_refused_connection_says_so(sender: Sender, closed_port: int) -> None:
    receipt = post(sender, f"http://127.0.0.1:{closed_port}/")
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert receipt.error == "Connection refused"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 100,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(300)) + b"\r\n",
        b"y" * 200_000,
    ],
    ids=[
        "nothing",
        "ssh",
        "nul",
        "no_number",
        "big_number",
        "http9",
        "http0",
        "two_lengths",
        "long_header",
        "many_headers",
        "long",
    ],
)
def test_an_answer_that_is_no_http_is_unreachable(sender: Sender, receive: Receive, said: bytes) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(said)

    receipt = post(sender, receive(script).url)
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert receipt.error
    assert "0x" not in receipt.error


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 100",
        "Content-Length: -5",
        "Content-Length: many",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Type: text/plain; charset=nonsense",
        "Set-Cookie: \xff\xfe",
        "Retry-After: soon",
    ],
)
def test_a_status_counts_whatever_is_wrong_with_the_rest(sender: Sender, receive: Receive, head: str) -> None:
    def script(caller: Caller) -> None:
        caller.hear()
        caller.say(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nabc".encode("latin-1"))

    receipt = post(sender, receive(script).url)
    assert (receipt.outcome, receipt.response_code) == ("success", 200), receipt


def test_a_receiver_that_resets_is_unreachable(sender: Sender, receive: Receive) -> None:
    import socket
    import struct

    def script(caller: Caller) -> None:
        caller.hear()
        caller.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    receipt = post(sender, receive(script).url)
    assert receipt.outcome == "unreachable"
    assert receipt.error == "Connection failed: ConnectionResetError"
