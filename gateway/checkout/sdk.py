"""The SDK as merchants' pages fetch it: from any origin, and fit for Subresource Integrity."""

from flask import Response, request

from gateway.checkout import checkout
from gateway.core.errors import NotFound
from gateway.web import sdk
from gateway.web.assets import FOR_EVER

# Long enough for a visit to a shop, short enough for a correction to arrive.
_A_WHILE = "public, max-age=300, must-revalidate"
_FOR_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@checkout.get("/checkout.js")
def send_newest() -> Response:
    return _send("checkout.js", None)


@checkout.get("/sdk/<version>/<name>")
def send_version(version: str, name: str) -> Response:
    return _send(name, version)


def _send(name: str, version: str | None) -> Response:
    """The file; an address that names exactly this content may be kept for ever."""
    found = sdk.asset(name)
    if found is None:
        raise NotFound("There is nothing at this address")
    return found.response(FOR_EVER if version == found.version else _A_WHILE)


@checkout.after_request
def allow_any_page(response: Response) -> Response:
    """Preflights and refusals included, so that a page can read why."""
    if request.endpoint in ("checkout.send_newest", "checkout.send_version"):
        response.headers.update(_FOR_ANY_PAGE)
    return response
