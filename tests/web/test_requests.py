"""What each request passes through: its id, its body, its way to the route."""

import io
import re
from typing import Any

import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from gateway.core.errors import PayloadTooLarge
from gateway.web.requests import MAX_BODY_BYTES, Gateway, Request

PATHS = (
    "/",
    "/health",
    "/health/",
    "/api/v1/payments",
    "/api/v1/payments/",
    "/api/v1/payments/pay_0123456789abcdef?limit=%E2%82%B9&x=a%20b",
    "/api//v1/payments?q=%FF",
    "//evil.example/dashboard",
    "/dashboard//payments?after=1",
    "/static/x/dashboard.css",
    "/n%C3%B6/%F0%9F%8E%81",
)
HOSTS = (
    "localhost:8000",
    "Shop.Example",
    "shop.example:80",
    "shop.example:443",
    "[::1]:8000",
    "bücher.example",
    "a..b",
    f"{'x' * 64}.example",
    "no host",
    "",
)


def finds(app: Flask, adapter_of: Any, environ: dict[str, Any]) -> object:
    """What is found at an address, by this way of looking: the route, or how it is refused."""
    request = app.request_class(environ)
    try:
        adapter = adapter_of(app, request)
        rule, values = adapter.match(return_rule=True)
    except HTTPException as error:
        return type(error), error.code, getattr(error, "new_url", None)
    return rule, values, adapter.build("dashboard.login", force_external=True)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "more", [{}, {"PATH_INFO": ""}, {"SCRIPT_NAME": "/pay"}, {"HTTP_UPGRADE": "websocket"}]
)
def test_an_address_leads_where_flask_itself_would_go(app: Flask, host: str, more: dict[str, str]) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "DELETE", "OPTIONS", "CONNECT"):
            built = EnvironBuilder(path, method=method).get_environ()
            environ = built | {"HTTP_HOST": host, "HTTP_CONNECTION": "Upgrade", "wsgi.url_scheme": "https"}
            ours, flasks = (
                finds(app, way, environ | more)
                for way in (Gateway.create_url_adapter, Flask.create_url_adapter)
            )
            assert ours == flasks, (path, method)


@pytest.mark.parametrize("path", ["/health/live", "/nothing", "/api/v1/orders", "/static/x/dashboard.css"])
def test_every_answer_carries_an_id_of_its_own(visitor: FlaskClient, path: str) -> None:
    answers = [visitor.get(path), visitor.get(path), visitor.options(path), visitor.head(path)]
    ids = [each for answer in answers for each in answer.headers.getlist("X-Request-Id")]
    assert len(set(ids)) == 4
    assert all(re.fullmatch("req_[0-9A-Za-z]{16}", each) for each in ids)
    assert [answer.headers.getlist("X-Content-Type-Options") for answer in answers] == [["nosniff"]] * 4


@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": "11"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
@pytest.mark.parametrize("path", ["/api/v1/payments", "/nothing", "/health/live"])
def test_a_body_is_read_to_its_end_whatever_the_answer(app: Flask, path: str, length: dict[str, str]) -> None:
    sent = io.BytesIO(b"0123456789a")
    environ = EnvironBuilder(path, method="POST").get_environ()
    environ |= length | {"wsgi.input": sent, "wsgi.input_terminated": True}
    b"".join(app(environ, lambda *_: lambda _: None))
    assert sent.read() == b""


@pytest.mark.parametrize("size", [1, 1_000, MAX_BODY_BYTES - 1, MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
@pytest.mark.parametrize("server", [{}, {"wsgi.input_terminated": True}])
def test_a_body_within_the_limit_is_read_whole_and_no_byte_more(size: int, server: dict[str, Any]) -> None:
    body = b"x" * size
    given = body if server else body + b"the next request"
    environ = EnvironBuilder("/api/v1/orders", method="POST").get_environ()
    request = Request(environ | server | {"wsgi.input": io.BytesIO(given), "CONTENT_LENGTH": str(size)})
    if size > MAX_BODY_BYTES:
        with pytest.raises(RequestEntityTooLarge):
            request.hear_out()
    else:
        request.hear_out()
        assert request.get_data() == body


@pytest.mark.parametrize(
    "ended_by",
    [
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "5"},
        {"HTTP_TRANSFER_ENCODING": "gzip, chunked", "CONTENT_LENGTH": "5"},
        {"CONTENT_LENGTH": "five"},
        {"CONTENT_LENGTH": "-5"},
        {"CONTENT_LENGTH": "0"},
    ],
)
def test_a_body_whose_length_nobody_vouches_for_is_cut_off_at_the_limit(ended_by: dict[str, str]) -> None:
    environ = EnvironBuilder("/api/v1/orders", method="POST").get_environ()
    endless = {"wsgi.input": io.BytesIO(b"x" * 10 * MAX_BODY_BYTES), "wsgi.input_terminated": True}
    request = Request(environ | ended_by | endless)
    request.hear_out()
    assert len(request.get_data()) == MAX_BODY_BYTES
    with pytest.raises(PayloadTooLarge):
        _ = request.json_object


def test_the_api_knows_no_session_and_nobody_can_write_to_one(app: Flask) -> None:
    with app.test_request_context("/api/v1/orders"):
        assert "person" not in session
        with pytest.raises(RuntimeError):
            session["person"] = "somebody"
    with app.test_request_context("/login"):
        session["person"] = "somebody"
