"""The merchant's pages. A route asks who it is, reads the input, calls one verb, words the answer."""

from flask import Blueprint, Flask, Response

from gateway.web import pages

dashboard = Blueprint("dashboard", __name__)


@dashboard.after_request
def protect(response: Response) -> Response:
    if response.mimetype == "text/html" and "Content-Security-Policy" not in response.headers:
        pages.protect(response)
    return response


def init_app(app: Flask) -> None:
    from gateway.dashboard import (
        audit,
        docs,
        home,
        jobs,
        keys,
        old_paths,
        orders,
        payments,
        people,
        problems,
        refunds,
        settings,
        signing_in,
        signing_up,
        transactions,
        webhooks,
    )

    assert all((audit, docs, home, jobs, keys, old_paths, orders, payments, people, problems))
    assert all((refunds, settings, signing_in, signing_up, transactions, webhooks))
    if "dashboard" in app.config["GATEWAY"].faces:
        signing_in.init_app(app)
        app.register_blueprint(dashboard)
