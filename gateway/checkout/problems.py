"""How refusals read to a payer."""

import logging

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from gateway.checkout import checkout, page, visits
from gateway.checkout.words import Words
from gateway.core.errors import Refusal
from gateway.web import pages
from gateway.web.requests import request_id

log = logging.getLogger(__name__)

_WORDS = {
    404: "not_found",
    405: "not_found",
    409: "unavailable",
    413: "odd_request",
    429: "too_many",
    503: "unavailable",
}
# What may be shown again in a form that was refused.
_HARMLESS = ("vpa", "holder_name", "expiry")


@checkout.errorhandler(Refusal)
def word_refusal(refusal: Refusal) -> Response:
    """A form that was refused comes back with the reason beside the input; anything else is a page."""
    visit = g.get("visit")
    if visit is not None and request.endpoint == "checkout.pay" and refusal.status == 400:
        typed = {name: request.form.get(name, "") for name in _HARMLESS}
        return page.render(visit, method=request.form.get("method"), refusal=refusal, typed=typed)
    known = "link_incomplete" if refusal.reason == "checkout_token_required" else _WORDS.get(refusal.status)
    response = _page(refusal.status, known or "odd_request", refusal.code)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


@checkout.errorhandler(HTTPException)
def word_http_error(error: HTTPException) -> Response:
    return _page(error.code or 400, _WORDS.get(error.code or 400, "odd_request"), "BAD_REQUEST_ERROR")


@checkout.errorhandler(Exception)
def word_surprise(_error: Exception) -> Response:
    """A bug of ours. The log knows the traceback, the page only where to find it."""
    log.exception("request %s failed", request_id())
    return _page(500, "our_fault", "SERVER_ERROR")


def _page(status: int, name: str, code: str) -> Response:
    words = Words(visits.language())
    return pages.page(
        "checkout/problem.html",
        status,
        message=words(name),
        code=code,
        request_id=request_id(),
        **page.common(words),
    )
