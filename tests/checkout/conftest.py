"""Payers, who come with an order's id and nothing else."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.web import ratelimit

CARD = {"number": "5555 5555 5555 4444", "expiry": "12/31", "cvv": "737", "holder_name": "Asha Rao"}
_VOID = {"input", "meta", "link", "img", "br"}


@dataclass
class Seen(HTMLParser):
    """A page as somebody sees it: what carries a test id and is not hidden, with its text."""

    answer: TestResponse
    shown: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    inputs: list[dict[str, str]] = field(default_factory=list)
    open_tags: list[tuple[str, str | None, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.answer.text)
        assert self.open_tags == [], "tags are left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        test_id = own.get("data-test-id")
        is_hidden = "hidden" in own or any(hidden for *_, hidden in self.open_tags)
        if test_id:
            self.attributes[test_id] = own
            if not is_hidden:
                self.shown.setdefault(test_id, "")
        if tag == "input":
            self.inputs.append(own)
        if tag not in _VOID and not self._is_drawing(tag):
            self.open_tags.append((tag, test_id, is_hidden))

    def handle_endtag(self, tag: str) -> None:
        if not self._is_drawing(tag):
            assert self.open_tags.pop()[0] == tag, f"a stray </{tag}>"

    def handle_data(self, data: str) -> None:
        for _, test_id, is_hidden in self.open_tags:
            if test_id and not is_hidden:
                self.shown[test_id] = f"{self.shown[test_id]} {data}".strip()

    @staticmethod
    def _is_drawing(tag: str) -> bool:
        return tag in ("path", "rect", "circle")

    def text(self, test_id: str) -> str:
        return " ".join(self.shown[test_id].split())

    def value(self, name: str, form: str = "") -> str:
        """The value of the first input of this name whose own value ends with `form`."""
        return next(
            each["value"] for each in self.inputs if each["name"] == name and each["value"].endswith(form)
        )


@dataclass
class Payer:
    """Somebody with a browser that has no scripts."""

    client: FlaskClient

    def visit(self, order: dict[str, Any], **query: str) -> Seen:
        return Seen(self.client.get("/checkout", query_string={"order_id": order["id"], **query}))

    def send(self, order: dict[str, Any], key: str = "form-1", **form: str) -> TestResponse:
        return self.client.post("/checkout/payments", data={"order_id": order["id"], "key": key, **form})

    def pay(self, order: dict[str, Any], key: str = "form-1", vpa: str = "asha@upi", **form: str) -> str:
        """The id of the payment that the form made."""
        return payment_id(self.send(order, key, method="upi", vpa=vpa, **form))


def payment_id(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    found = re.search(r"[?&]payment_id=(pay_\w{16})", unescape(answer.headers["Location"]))
    assert found, answer.headers["Location"]
    return found[1]


@pytest.fixture
def payer(app: Flask) -> Payer:
    ratelimit.forget()
    return Payer(app.test_client())
