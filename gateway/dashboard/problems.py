"""How refusals read on a page."""

import logging

from flask import Response, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, abort

from gateway.core.errors import Refusal
from gateway.dashboard import dashboard
from gateway.web import pages
from gateway.web.requests import request_id

log = logging.getLogger(__name__)

_TITLES = {
    400: "This does not work",
    401: "Please sign in",
    403: "Not for you",
    404: "Nothing here",
    413: "Too much at once",
    429: "One moment, please",
    503: "Back in a moment",
}


@dashboard.errorhandler(Refusal)
def word_refusal(refusal: Refusal) -> ResponseReturnValue:
    """An act that was refused returns to its page with the reason; a page that was, is a page of its own."""
    came_from = request.headers.get("Referer", "")
    if (
        request.method == "POST"
        and refusal.status in (400, 403, 404)
        and came_from.startswith(request.host_url)
    ):
        flash(refusal.description, "bad")
        return redirect(came_from, 303)
    response = _page(refusal.status, refusal.description)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


@dashboard.errorhandler(CSRFError)
def word_stale_form(_error: CSRFError) -> Response:
    return _page(400, "This form is too old. Go back, reload the page and send it again.")


@dashboard.errorhandler(HTTPException)
def word_http_error(error: HTTPException) -> Response:
    words = {404: "There is nothing at this address.", 413: "What you sent is too large."}
    return _page(error.code or 400, words.get(error.code or 400, "The request makes no sense."))


@dashboard.errorhandler(Exception)
def word_surprise(_error: Exception) -> Response:
    """A bug of ours. The log knows the traceback, the page only where to find it."""
    log.exception("request %s failed", request_id())
    return _page(500, "Something went wrong on our side. Nothing was done twice; please try again.")


@dashboard.route("/dashboard/<path:_rest>")
def nowhere(_rest: str) -> ResponseReturnValue:
    abort(404)


def _page(status: int, words: str) -> Response:
    title = _TITLES.get(status, "Something went wrong")
    return pages.page("dashboard/problem.html", status, title=title, words=words, request_id=request_id())
