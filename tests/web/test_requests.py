"""What each request passes through: its id, its body, its way to the route."""

import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from gateway.web.requests import Gateway

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
