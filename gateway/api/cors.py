"""Routes that a browser on any page may call: the public checkout ones, and no others."""

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, g

from gateway.web import ratelimit

View = Callable[..., Response]

_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Request-Id, Retry-After",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "600",
}


def public(blueprint: Blueprint, method: str, rule: str) -> Callable[[View], View]:
    """Register an open route with CORS, its preflight, and the limit on requests from one address."""

    def register(view: View) -> View:
        @wraps(view)
        def wrapper(**path: str) -> Response:
            g.answers_any_page = True
            ratelimit.count_request()
            return view(**path)

        blueprint.add_url_rule(
            rule, view.__name__, wrapper, methods=[method], provide_automatic_options=False
        )
        blueprint.add_url_rule(rule, f"{view.__name__}_preflight", _preflight, methods=["OPTIONS"])
        return view

    return register


def allow(response: Response) -> Response:
    """Let any page read this answer if its route is public, refusals included."""
    if "answers_any_page" in g:
        response.headers.update(_HEADERS)
    return response


def _preflight(**_path: str) -> Response:
    g.answers_any_page = True
    return Response(status=204, headers=_PREFLIGHT)
