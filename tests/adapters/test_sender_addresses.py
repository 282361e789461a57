"""Where webhooks may go, and that no name, notation or second thought gets them elsewhere."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.adapters.addresses import is_allowed
from gateway.adapters.sender import Sender

from .conftest import Receiver

Receive = Callable[..., Receiver]
PUBLIC, OTHER_PUBLIC = "93.184.216.34", "1.1.1.1"
LOOPBACK = [
    "127.0.0.1", "localhost", "LOCALHOST", "127.1", "127.0.1", "2130706433", "0x7f000001",
    "0x7f.0.0.1", "0177.0.0.1", "017700000001", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "0.0.0.0", "0", "[::]", "127.0.0.2", "127.255.255.254",
]  # fmt: skip
PRIVATE = [
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "[fd00::1]",
    "[::ffff:10.0.0.1]", "167772161", "0x0a000001", "198.18.0.1", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[fe80::1]", "[fe80::1%25lo]", "0.0.0.0", "0", "[::]", "[::ffff:0.0.0.0]",
    "224.0.0.1", "239.255.255.255", "[ff02::1]",
]  # fmt: skip


class Wire:
    """Sees which addresses connections were opened to; nothing leaves the machine."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.connected: list[str] = []
        self.names: dict[str, list[list[str]]] = {}
        self._create_connection = socket.create_connection
        self._getaddrinfo = socket.getaddrinfo

    def create_connection(self, address: tuple[str, int], *arguments: Any, **more: Any) -> socket.socket:
        self.connected.append(address[0])
        if not address[0].startswith("127."):
            raise ConnectionRefusedError("nothing leaves the machine")
        return self._create_connection(address, *arguments, **more)

    def getaddrinfo(self, host: Any, port: Any, *arguments: Any, **more: Any) -> list[Any]:
        if host not in self.names:
            return self._getaddrinfo(host, port, *arguments, **more)
        self.lookups.append(host)
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            found for address in addresses for found in self._getaddrinfo(address, port, *arguments, **more)
        ]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(socket, "create_connection", wire.create_connection)
    monkeypatch.setattr(socket, "getaddrinfo", wire.getaddrinfo)
    return wire


@pytest.fixture
def careful() -> Sender:
    """As in production: public addresses only."""
    return Sender(allow_private=False)


@pytest.fixture
def local() -> Sender:
    """As in the sandbox: a shop on this machine is the point."""
    return Sender(allow_private=True)


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_is_not_called_in_production(
    careful: Sender, receive: Receive, wire: Wire, host: str
) -> None:
    receiver = receive(host="::1" if host.startswith("[") and "ffff" not in host else "127.0.0.1")
    receipt = careful.post(f"http://{host}:{receiver.port}/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("blocked", None)
    assert receipt.error == "Webhooks may not be sent to this address"
    assert wire.connected == []
    assert receiver.connections == 0


@pytest.mark.parametrize("host", PRIVATE + NEVER)
def test_private_addresses_are_not_called_in_production(careful: Sender, wire: Wire, host: str) -> None:
    for scheme in ("http", "https"):
        assert careful.post(f"{scheme}://{host}/latest/meta-data/", b"{}", {}).outcome == "blocked"
    assert wire.connected == []


@pytest.mark.parametrize("host", NEVER)
def test_metadata_and_multicast_are_not_even_called_in_the_sandbox(
    local: Sender, wire: Wire, host: str
) -> None:
    assert local.post(f"http://{host}/latest/meta-data/", b"{}", {}).outcome == "blocked"
    assert wire.connected == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "127.0.0.2"])
def test_a_shop_on_this_machine_is_called_in_the_sandbox(local: Sender, receive: Receive, host: str) -> None:
    receiver = receive(host="127.0.0.2" if host == "127.0.0.2" else "127.0.0.1")
    assert local.post(f"http://{host}:{receiver.port}/", b"{}", {}).is_success
    assert receiver.connections == 1


def test_a_shop_on_the_ipv6_loopback_is_called_in_the_sandbox(local: Sender, receive: Receive) -> None:
    receiver = receive(host="::1")
    assert local.post(receiver.url, b"{}", {}).is_success


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, False)
    assert is_allowed(address, True)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1 (RFC 6052): a translator would send it to the IPv4 address
        "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
        "2002:7f00:1::1",  # 6to4 of 127.0.0.1 (RFC 3056)
        "2002:a00:1::1",  # 6to4 of 10.0.0.1
        "::7f00:1",  # IPv4-compatible, deprecated (RFC 4291)
        "fec0::1",  # site-local, deprecated (RFC 3879)
        "2001:0:7f00:1::1",  # Teredo (RFC 4380)
    ],
)
def test_private_addresses_in_the_clothes_of_ipv6_are_not_allowed(address: str) -> None:
    assert not is_allowed(address, False)


# Names


def test_a_name_is_asked_once_for_each_connection_and_called_at_what_was_vetted(
    careful: Sender, wire: Wire
) -> None:
    """DNS rebinding: a public address for the check, a private one for the call."""
    wire.names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert careful.post("http://rebind.example/", b"{}", {}).outcome == "unreachable"
    assert (wire.lookups, wire.connected) == (["rebind.example"], [PUBLIC])
    # The next connection asks again, and is vetted again.
    assert careful.post("http://rebind.example/", b"{}", {}).outcome == "blocked"
    assert (len(wire.lookups), wire.connected) == (2, [PUBLIC])


def test_the_connection_goes_to_the_first_answer_though_the_name_moved(
    local: Sender, receive: Receive, wire: Wire
) -> None:
    receiver = receive(host="127.0.0.2")
    wire.names["moving.example"] = [["127.0.0.2"], ["127.0.0.3"]]
    url = f"http://moving.example:{receiver.port}/"
    assert local.post(url, b"{}", {}).is_success
    assert (wire.lookups, wire.connected) == (["moving.example"], ["127.0.0.2"])
    assert f"Host: moving.example:{receiver.port}" in receiver.requests[0][0]
    # The connection is kept, so nobody needs to ask.
    assert local.post(url, b"{}", {}).is_success
    assert len(wire.lookups) == receiver.connections == 1


def test_of_several_addresses_only_public_ones_are_called(careful: Sender, wire: Wire) -> None:
    wire.names["mixed.example"] = [["10.0.0.1", PUBLIC, "127.0.0.1", "169.254.169.254", OTHER_PUBLIC]]
    assert careful.post("http://mixed.example/", b"{}", {}).outcome == "unreachable"
    assert wire.connected == [PUBLIC, OTHER_PUBLIC]


def test_a_name_of_private_addresses_only_is_blocked(careful: Sender, wire: Wire) -> None:
    wire.names["inside.example"] = [["10.0.0.1", "127.0.0.1", "::1"]]
    assert careful.post("http://inside.example/", b"{}", {}).outcome == "blocked"
    assert wire.connected == []


def test_the_next_address_is_tried_where_the_first_refuses(
    local: Sender, receive: Receive, wire: Wire
) -> None:
    receiver = receive(host="127.0.0.1")
    wire.names["two.example"] = [["127.0.0.9", "127.0.0.1"]]
    assert local.post(f"http://two.example:{receiver.port}/", b"{}", {}).is_success
    assert wire.connected == ["127.0.0.9", "127.0.0.1"]


def test_a_name_that_nobody_has_says_so(local: Sender, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    receipt = local.post("http://nobody.invalid/", b"{}", {})
    assert (receipt.outcome, receipt.response_code) == ("unreachable", None)
    assert receipt.error == "The host name could not be resolved"


def test_a_name_that_the_resolver_of_this_machine_does_not_know_is_no_answer(local: Sender) -> None:
    receipt = local.post("http://nobody.invalid/", b"{}", {})
    assert receipt.outcome in ("unreachable", "timeout")  # some resolvers take long to say no
    assert receipt.response_code is None


def test_a_resolver_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])
    began = time.monotonic()
    receipt = Sender(allow_private=True, timeout_s=0.4).post("http://slow.example/", b"{}", {})
    took = time.monotonic() - began
    over.set()
    assert receipt.outcome == "timeout"
    assert 0.35 < took < 1.0


def test_one_receiver_whose_name_server_hangs_does_not_stop_the_others(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many lookups hang as one endpoint may have attempts under way (PER_ENDPOINT)."""
    over, look_up = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **more: Any) -> list[Any]:
        if host == "hung.example":
            over.wait(5)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return look_up("127.0.0.1" if host == "good.example" else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    sender, receiver = Sender(allow_private=True, timeout_s=0.5), receive()
    waiting = [
        threading.Thread(target=sender.post, args=("http://hung.example/", b"{}", {})) for _ in range(16)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.05)
    receipts = [
        sender.post(f"http://{host}:{receiver.port}/", b"{}", {}) for host in ("good.example", "127.0.0.1")
    ]
    over.set()
    for thread in waiting:
        thread.join(5)
    assert [receipt.outcome for receipt in receipts] == ["success", "success"]


def test_a_receiver_that_does_not_even_take_the_connection_is_a_timeout() -> None:
    """Its backlog is full, so the kernel drops our SYN, as a firewall would."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        time.sleep(0.05)
        began = time.monotonic()
        port = listener.getsockname()[1]
        receipt = Sender(allow_private=True, timeout_s=0.5).post(f"http://127.0.0.1:{port}/", b"{}", {})
        took = time.monotonic() - began
        for other in waiting:
            other.close()
    assert (receipt.outcome, receipt.response_code) == ("timeout", None)
    assert 0.45 <= took < 0.9


# Addresses that are none


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "/", "shop", "//127.0.0.1/", "http:", "http://", "http:///path", "http://:80/", "ftp://127.0.0.1/",
        "file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)", "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "http://[::1", "http://[zz]/", "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/", "http://127.0.0.1:port/", "http://256.256.256.256/", "http://1.2.3.4.5.6/",
        f"http://{'a' * 70}.example/", f"http://{'a.' * 200}example/", "http://ä.example/", "http://\u2025.example/",
        "http://exa mple.invalid/", "http://exam\tple.invalid/", "http://127.0.0.1\0.example/", "http://\ud800/",
        "http://.invalid/", "http://a..invalid/", "http://-.invalid/", "http://%00/", "http://%0d%0a.invalid/",
        "http://127.0.0.1\r\nX-Evil: 1/", "http://\r\nX-Evil: 1\r\n.invalid/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_ends_the_attempt_and_raises_nothing(wire: Wire, url: str) -> None:
    receipt = Sender(allow_private=True, timeout_s=2).post(url, b"{}", {})
    assert receipt.outcome in ("unreachable", "blocked")
    assert (receipt.response_code, receipt.response_body) == (None, None)
    assert receipt.error


@pytest.mark.parametrize(
    "path",
    ["/\r\nX-Evil: 1", "/ HTTP/1.1\r\nX-Evil: 1\r\n\r\n", "/?a=\r\nX-Evil: 1", "/\n\nX-Evil: 1",
     "/\rX-Evil: 1", "/#\r\nX-Evil: 1", "/\u010d\u010aX-Evil: 1", "/\0", "/ä", "/\ud800", "/%0d%0aX-Evil:1",
     "/../../x", "/" + "a" * 9000],
)  # fmt: skip
def test_no_address_adds_a_header_or_raises(local: Sender, receive: Receive, path: str) -> None:
    receiver = receive()
    receipt = local.post(f"http://127.0.0.1:{receiver.port}{path}", b"{}", {"X-Good": "1"})
    assert receipt.outcome in ("success", "unreachable")
    assert len(receiver.requests) == (receipt.outcome == "success")
    for head, body in receiver.requests:
        names = [line.split(":")[0].lower() for line in head.splitlines()[1:]]
        assert "x-evil" not in names
        assert "x-good" in names
        assert body == b"{}"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r", "ä₹", "\0"])
def test_no_header_value_adds_a_header_or_raises(local: Sender, receive: Receive, value: str) -> None:
    receiver = receive()
    receipt = local.post(receiver.url, b"{}", {"X-Good": value})
    assert receipt.outcome in ("success", "unreachable")
    for head, _ in receiver.requests:
        assert "x-evil" not in [line.split(":")[0].lower() for line in head.splitlines()]


def test_credentials_in_an_address_are_not_sent(local: Sender, receive: Receive) -> None:
    receiver = receive()
    local.post(f"http://user:geheim@127.0.0.1:{receiver.port}/", b"{}", {})
    assert "geheim" not in receiver.requests[0][0]


def test_what_went_wrong_is_told_without_our_insides(local: Sender, closed_port: int) -> None:
    for url in (f"http://127.0.0.1:{closed_port}/", "http://nobody.invalid/", "http://[zz]/", ""):
        error = local.post(url, b"{}", {}).error
        assert error
        for inside in ("0x", "object at", "Traceback", "urllib3", "HTTPConnection", "Errno", "/"):
            assert inside not in error
