"""How JSON leaves: in one piece, with its length."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder


def call(app: Flask, method: str, path: str) -> tuple[str, dict[str, str], Any]:
    """What a WSGI server is given."""
    given: list[Any] = []
    body = app(EnvironBuilder(path, method=method).get_environ(), lambda *start: given.extend(start))
    return given[0], dict(given[1]), body


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/nothing", "/api/v1/orders"])
def test_an_answer_is_one_piece_of_known_length(app: Flask, path: str) -> None:
    _, headers, body = call(app, "GET", path)
    assert isinstance(body, list)  # a server need not ask for a next piece
    (piece,) = body
    assert headers["Content-Length"] == str(len(piece))
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/nothing", "/api/v1/orders"])
def test_who_asks_for_the_head_gets_the_same_without_the_body(app: Flask, path: str) -> None:
    status, headers, _ = call(app, "GET", path)
    head_status, head_headers, body = call(app, "HEAD", path)
    assert b"".join(body) == b""
    assert head_status == status
    assert head_headers["Content-Length"] == headers["Content-Length"]
    assert head_headers.keys() == headers.keys()
