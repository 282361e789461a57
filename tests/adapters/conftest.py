"""Receivers of webhooks: tiny servers on real sockets, each following a script."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Script = Callable[["Caller"], None]


def response(status: str = "200 OK", body: bytes = b"ok", *headers: str) -> bytes:
    """An HTTP answer of known length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


OK = response()


class Caller:
    """One connection to a receiver, as its script sees it."""

    def __init__(self, receiver: "Receiver", connection: socket.socket, number: int) -> None:
        self.receiver = receiver
        self.connection = connection
        self.number = number
        self._unread = b""

    def hear(self) -> bool:
        """Read one whole request and write it down; False when the caller has gone."""
        while b"\r\n\r\n" not in self._unread:
            if not self._more():
                return False
        head, _, rest = self._unread.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int({name.lower(): value for name, value in fields.items()}[b"content-length"])
        self._unread = rest
        while len(self._unread) < length:
            if not self._more():
                return False
        body, self._unread = self._unread[:length], self._unread[length:]
        self.receiver.requests.append((head.decode("latin-1"), body))
        return True

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def _more(self) -> bool:
        received = self.connection.recv(65536)
        self._unread += received
        return bool(received)


class Receiver:
    """Listens until the test is over; says how many called and what they asked."""

    def __init__(self, script: Script, host: str, tls: ssl.SSLContext | None) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.ended = threading.Event()
        self._script = script
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = int(self._listener.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}/webhook"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        except OSError:
            pass
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(10)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._script(Caller(self, connection, number))
        except OSError:
            pass  # the sender hung up, as it may
        finally:
            connection.close()


def always(answer: bytes) -> Script:
    """Say the same to every request, and keep the connection."""

    def script(caller: Caller) -> None:
        while caller.hear():
            caller.say(answer)

    return script


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Start a receiver that follows a script."""
    started: list[Receiver] = []

    def start(
        script: Script | bytes = OK, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> Receiver:
        started.append(Receiver(always(script) if isinstance(script, bytes) else script, host, tls))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that nobody but itself vouches for, with its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
