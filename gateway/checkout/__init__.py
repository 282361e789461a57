"""The payer's page, alone or in the frame that the SDK opens, and the SDK itself."""

from flask import Blueprint, Flask, Response, g

from gateway.checkout import framing
from gateway.web import pages

checkout = Blueprint("checkout", __name__)


@checkout.after_request
def protect(response: Response) -> Response:
    if response.mimetype == "text/html":
        pages.protect(response, frame_ancestors=framing.policy(g.get("may_embed", ())))
    return response


def init_app(app: Flask) -> None:
    from gateway.checkout import handshake, page, paying, problems, sandbox, sdk

    assert all((handshake, page, paying, problems, sandbox, sdk))
    if "checkout" in app.config["GATEWAY"].faces:
        app.register_blueprint(checkout)
