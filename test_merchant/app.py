"""Puts the shop together."""

import hashlib
import hmac

from flask import Flask, Response, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from test_merchant import cart, catalogue, policy
from test_merchant.door import door
from test_merchant.settings import Settings
from test_merchant.shop import Shop
from test_merchant.storefront import storefront

MAX_BODY_BYTES = 256 * 1024


def create_app(settings: Settings) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # From the one secret that is there, so that carts survive a restart without a setting of their own.
    app.secret_key = hmac.digest(settings.api_secret.encode(), b"cookies of the test shop", hashlib.sha256)
    # Cookies do not know ports: on localhost, the gateway's own would have the same name.
    app.config["SESSION_COOKIE_NAME"] = "blue_hill_tea"
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.extensions["shop"] = Shop(settings)
    app.jinja_env.filters["rupees"] = catalogue.rupees
    app.jinja_env.globals["in_cart"] = cart.count
    app.register_blueprint(storefront)
    app.register_blueprint(door)
    app.register_error_handler(NotFound, _not_found)
    app.after_request(_keep_to_ourselves)
    return app


def _not_found(_: NotFound) -> ResponseReturnValue:
    return render_template("not_found.html"), 404


def _keep_to_ourselves(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", policy.OWN)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    return response
