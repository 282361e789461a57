"""How refusals read in JSON."""

import logging
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from gateway.api.answers import answer
from gateway.core import errors
from gateway.core.errors import Refusal
from gateway.web.requests import request_id

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, tuple[type[Refusal], str]] = {
    404: (errors.NotFound, "There is nothing at this address"),
    405: (errors.MethodNotAllowed, "This address does not take that method"),
    413: (errors.PayloadTooLarge, "The request body is too large"),
    503: (errors.Unavailable, "The gateway is not available, please try again"),
}


def init_app(app: Flask) -> None:
    app.register_error_handler(Refusal, word_refusal)
    app.register_error_handler(HTTPException, word_http_error)
    app.register_error_handler(Exception, word_surprise)


def word_refusal(refusal: Refusal) -> Response:
    error: dict[str, Any] = {"code": refusal.code, "description": refusal.description}
    if refusal.field is not None:
        error["field"] = refusal.field
    if refusal.reason is not None:
        error["reason"] = refusal.reason
    response = answer({"error": error | {"request_id": request_id()}}, refusal.status)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def word_http_error(error: HTTPException) -> Response:
    family, text = _BY_STATUS.get(error.code or 400, (errors.BadRequest, "The request makes no sense"))
    response = word_refusal(family(text))
    allowed = error.get_headers() if error.code == 405 else []
    response.headers.extend([(name, value) for name, value in allowed if name == "Allow"])
    return response


def word_surprise(_error: Exception) -> Response:
    """A bug of ours. The log knows the traceback, the answer only where to find it."""
    log.exception("request %s failed", request_id())
    error = {
        "code": "SERVER_ERROR",
        "description": "Something went wrong on our side",
        "request_id": request_id(),
    }
    return answer({"error": error}, 500)
