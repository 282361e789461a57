"""Manners of HTML pages: what a browser may do with them, and when it need not fetch them again."""

import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from flask import Response, g, make_response, render_template, request

# No inline script or style anywhere: what is not a file of ours does not run.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def protect(response: Response, **changes: str) -> Response:
    """Give an HTML answer its Content-Security-Policy.

    changes  directives that differ, with underscores: `frame_ancestors="https://shop.example"`
    """
    policy = _POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    response.headers["Content-Security-Policy"] = "; ".join(f"{k} {v}" for k, v in policy.items())
    response.headers.update(_HEADERS)
    return response


def page(template: str, status: int = 200, **values: object) -> Response:
    """A rendered page that nobody may keep: it may show a secret, or what is old in a second."""
    response = make_response(render_template(template, **values), status)
    response.headers["Cache-Control"] = "no-store"
    return response


def live(template: str, **values: object) -> Response:
    """A rendered fragment that is asked for again and again: 304 while nothing has changed."""
    return live_text(render_template(template, **values))


def live_text(text: str) -> Response:
    """The same for a fragment that was rendered before."""
    response = make_response(text)
    response.headers["Cache-Control"] = "private, no-cache"
    # The token in its forms is another one each second, and the old one stays good.
    lasting = response.get_data().replace(g.get("csrf_token", "").encode() or b"\0", b"")
    response.set_etag(hashlib.sha256(lasting).hexdigest()[:32])
    response.make_conditional(request)
    return response


def is_from_htmx() -> bool:
    """Whether htmx asks, not the browser itself. These three read its headers, and nothing else does."""
    return request.headers.get("HX-Request") == "true"


def is_fragment() -> bool:
    """Whether htmx asks for a part of a page; a followed link is a whole one."""
    return is_from_htmx() and request.headers.get("HX-Request-Type") != "full"


def page_around() -> str | None:
    """Path and query of the page that a fragment is on, as htmx tells."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return None
    return f"{parts.path}?{parts.query}".rstrip("?") or None


def query(changes: Mapping[str, object] | None = None, **more: object) -> str:
    """The query string of this page with some parameters changed; None takes one out."""
    wanted = dict(request.args) | dict(changes or {}) | more
    kept = {name: value for name, value in wanted.items() if value not in (None, "")}
    return f"?{urlencode(kept)}" if kept else "?"
