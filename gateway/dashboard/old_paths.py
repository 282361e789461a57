"""Addresses of the systems this one succeeds; bookmarks still know them."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import is_open


@dashboard.get("/dashboard/webhooks.html")
@dashboard.get("/dashboard-webhooks.html")
@is_open
def old_webhooks() -> ResponseReturnValue:
    return redirect(url_for("dashboard.webhooks"), 301)


@dashboard.get("/dashboard/docs.html")
@is_open
def old_docs() -> ResponseReturnValue:
    return redirect(url_for("dashboard.docs"), 301)
