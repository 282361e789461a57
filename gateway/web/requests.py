"""Every request has an id and is heard to its end; every answer carries the id."""

from collections.abc import Callable
from typing import IO, Any

import flask
from flask import Flask, Response
from flask.typing import ResponseReturnValue
from werkzeug.routing import MapAdapter
from werkzeug.utils import cached_property

from gateway.core.errors import PayloadTooLarge
from gateway.core.ids import new_id
from gateway.core.validation import parse_object

MAX_BODY_BYTES = 128 * 1024


class Request(flask.Request):
    """Flask's request with what every request here has: its id, also if it is never routed, and its limit."""

    max_content_length = MAX_BODY_BYTES

    def __init__(self, environ: dict[str, Any], *args: Any, **more: Any) -> None:
        super().__init__(environ, *args, **more)
        self.id = new_id("req")

    @cached_property
    def blueprints(self) -> list[str]:
        """Those of the route. Flask asks for them before the view, after it and at the end."""
        return super().blueprints

    @cached_property
    def json_object(self) -> dict[str, Any]:
        """The body, parsed once. Raises BadRequest when it is no JSON object, PayloadTooLarge."""
        raw = self.get_data()
        # A body in chunks has no length to be refused by; Werkzeug cuts it off at the limit and says nothing.
        if len(raw) >= self.max_content_length:
            raise PayloadTooLarge("The request body is too large")
        return parse_object(raw)

    @cached_property
    def stream(self) -> IO[bytes]:
        """What the body is read from: the server's own, if nothing but a length within the limit ends it."""
        environ, length = self.environ, self.content_length
        if not length or length > self.max_content_length or "HTTP_TRANSFER_ENCODING" in environ:
            return super().stream
        given: IO[bytes] = environ["wsgi.input"]
        return given if environ.get("wsgi.input_terminated") else super().stream

    def hear_out(self) -> None:
        """Read the body, whatever comes of it: an answer over half a request ends the connection."""
        if "CONTENT_LENGTH" in self.environ or "HTTP_TRANSFER_ENCODING" in self.environ:
            self.get_data()


class Gateway(Flask):
    """Flask without its detours: each hook that every request passes does only what this house needs."""

    request_class = Request

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # nothing here is async

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Bind the routes to what the request has read already, instead of reading the environment again.

        It cannot tell no path from `/`, and knows nothing of upgrades: Flask looks at those itself.
        """
        if request is None or request.path == "/" or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        return self.url_map.bind(
            request.host,
            request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
            query_args=request.query_string.decode(errors="replace"),
        )

    def preprocess_request(self) -> ResponseReturnValue | None:
        this_request().hear_out()
        return super().preprocess_request()

    def process_response(self, response: Response) -> Response:
        response = super().process_response(response)
        response.headers.add("X-Request-Id", request_id())
        response.headers.add("X-Content-Type-Options", "nosniff")
        return response


def this_request() -> Request:
    """The request that this thread answers; Flask's `request` looks it up again at each attribute."""
    found: Request = flask.request._get_current_object()  # type: ignore[attr-defined]
    return found


def request_id() -> str:
    """What this request is called in answers and in the log."""
    return this_request().id
