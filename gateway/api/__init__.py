"""JSON under /api/v1. A route asks who it is, reads the input, calls one verb, words the answer."""

from flask import Blueprint, Flask, g

from gateway.api import cors
from gateway.domain import merchants
from gateway.web.requests import this_request

api = Blueprint("api", __name__, url_prefix="/api/v1")
open_api = Blueprint("open_api", __name__, url_prefix="/api/v1")
open_api.after_request(cors.allow)


@api.before_request
def authenticate() -> None:
    """Everything on `api` belongs to a merchant; `open_api` asks nobody."""
    request = this_request()
    given, headers = request.authorization, request.headers
    if given is not None and given.type == "basic" and "X-Api-Key" not in headers:
        key, secret = given.username or "", given.password or ""
    else:
        key, secret = headers.get("X-Api-Key", ""), headers.get("X-Api-Secret", "")
    g.caller = merchants.authenticate(key, secret)


def init_app(app: Flask) -> None:
    from gateway.api import balance, errors, events, health, orders, payments, refunds, sandbox, webhooks
    from gateway.api.openapi import openapi

    assert all((balance, events, orders, payments, refunds, sandbox, webhooks))
    errors.init_app(app)
    if "api" in app.config["GATEWAY"].faces:
        app.register_blueprint(api)
        app.register_blueprint(openapi)
    if app.config["GATEWAY"].faces & {"api", "checkout"}:
        app.register_blueprint(open_api)
    app.register_blueprint(health.health)
