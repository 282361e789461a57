"""The frame asks whether the key that its shop's page brought is a key of the order's merchant."""

from flask import Response, request

from gateway.checkout import checkout, visits
from gateway.domain import merchants, wire
from gateway.web import ratelimit


@checkout.post("/checkout/handshake")
def shake_hands() -> Response:
    ratelimit.count_request()
    visit = visits.begin(request.form)
    is_known = merchants.owns_key(visit.order.merchant_id, request.form.get("key", ""))
    response = Response(wire.encode({"is_known": is_known}), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
