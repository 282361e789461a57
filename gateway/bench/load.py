"""Load: one request again and again over some connections, by wrk or by a client of our own."""

from dataclasses import dataclass

PATTERN = "{n}"


@dataclass(frozen=True)
class Requests:
    """The same request with a number that goes up.

    In path and body `{n}` stands for the number in 16 digits; it goes from 1 to
    `numbers` and round again. `key` is the beginning of an Idempotency-Key that
    is never the same twice, unless `same_key` is set; empty means none.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""
    numbers: int = 1
    key: str = ""
    same_key: bool = False

    def text(self, at: int) -> bytes:
        """The request number `at`, counted from 0, as it goes over the wire."""
        n = f"{at % self.numbers + 1:016d}"
        body = self.body.replace(PATTERN, n).encode()
        headers = {"Host": "127.0.0.1", **self.headers, "Content-Length": str(len(body))}
        if self.key:
            headers["Idempotency-Key"] = self.key if self.same_key else f"{self.key}-{at}"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path.replace(PATTERN, n)} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Load:
    """What came of a load. `failures` are answers of 400 and up, and connections that broke."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answered: int
    failures: int


class LoadFailed(Exception):
    """Answers were refusals, so the figure would say nothing."""


def checked(load: Load) -> Load:
    """The load, if nearly every answer was good. Raises LoadFailed."""
    if load.failures > load.answered * 0.01:
        raise LoadFailed(f"{load.failures} of {load.answered} requests failed")
    return load
