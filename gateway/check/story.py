"""Whom the check asks, how it reads an answer, and what it says when one does not fit."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import urllib3

POLL_EVERY_S = 0.25


class Missed(Exception):
    """Something did not hold: what was expected, and what came."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(expected, came)
        self.expected, self.came = expected, came


def expect(holds: bool, expected: str, came: object) -> None:
    if not holds:
        raise Missed(expected, str(came))


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, readable whatever it holds. `fields` and `rows` are empty when it is no such JSON."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        return self.json if isinstance(self.json, dict) else {}

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows = self.fields.get("data") or self.json
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @property
    def code(self) -> str | None:
        error = self.fields.get("error")
        return error.get("code") if isinstance(error, dict) else None

    def __str__(self) -> str:
        return f"{self.status} {self.body.decode('utf-8', 'replace')}"


class Site:
    """An address that is asked again and again."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = headers or {}
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=10), retries=False)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def post(self, path: str, fields: dict[str, Any], key: str = "") -> Answer:
        """POST as JSON, with an Idempotency-Key where one is given."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._ask("POST", path, json.dumps(fields, ensure_ascii=False).encode(), headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        started = time.monotonic()
        answer = self._http.request(
            method, self._url + path, body=body, headers=self._headers | headers, redirect=False
        )
        return Answer(answer.status, answer.headers, answer.data, time.monotonic() - started)


@dataclass
class Story:
    """What the steps share: whom they ask, and what has been made so far.

    paid, answers   the payment id by method, and what the gateway answered to it
    """

    gateway: Site
    stranger: Site
    shop: Site
    patience_s: float
    heard_before: set[str] = field(default_factory=set)
    paid: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    upi_key: str = field(default_factory=lambda: f"check-{uuid.uuid4()}")
    upi_request: dict[str, Any] = field(default_factory=dict)

    def wait(self, expected: str, missing: Callable[[], str], *, may_be_away: bool = False) -> float:
        """The seconds until `missing` names nothing any more; asks at least once.

        may_be_away   whether no answer is waited out too, as from a server that is only starting
        raises   Missed   it still names something when the patience is over
        """

        def ask() -> str:
            try:
                return missing()
            except urllib3.exceptions.HTTPError as problem:
                if not may_be_away:
                    raise
                return f"no answer: {problem}"

        started = time.monotonic()
        while came := ask():
            if time.monotonic() - started > self.patience_s:
                raise Missed(expected, f"after {self.patience_s:g} s: {came}")
            time.sleep(POLL_EVERY_S)
        return time.monotonic() - started
