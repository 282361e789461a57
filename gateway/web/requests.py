"""Every request has an id, every answer carries it."""

from flask import Flask, Response, g, request

from gateway.core.ids import new_id


def init_app(app: Flask) -> None:
    @app.before_request
    def name_request() -> None:
        g.request_id = new_id("req")

    @app.before_request
    def hear_it_out() -> None:
        """Read the body, whatever comes of it: an answer over half a request ends the connection."""
        request.get_data()

    @app.after_request
    def show_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def request_id() -> str:
    """This request's id; made here for those that fail before they are routed."""
    if "request_id" not in g:
        g.request_id = new_id("req")
    found: str = g.request_id
    return found
