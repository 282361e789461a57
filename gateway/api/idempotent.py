"""The `Idempotency-Key` header: the same request again gets the same bytes."""

from collections.abc import Callable
from functools import wraps

from flask import Response, g

from gateway.api.answers import JsonAnswer, answer
from gateway.core.db import transaction
from gateway.domain import idempotency, orders, wire
from gateway.web.requests import this_request

View = Callable[..., tuple[wire.Json, int]]


def idempotent(*, is_light: bool = False) -> Callable[[View], Callable[..., Response]]:
    """Run the view in one transaction, together with the key that its answer is kept under.

    is_light  it only gathers, and may do so in company (`idempotency.once`)
    """

    def decorate(view: View) -> Callable[..., Response]:
        @wraps(view)
        def wrapper(**path: str) -> Response:
            key = this_request().headers.get("Idempotency-Key")
            if key is None:
                with transaction():
                    return answer(*view(**path))
            return _once(key, lambda: view(**path), is_light)

        return wrapper

    return decorate


def _once(key: str, view: Callable[[], tuple[wire.Json, int]], is_light: bool) -> Response:
    idempotency.check_key(key)
    request = this_request()
    body = request.json_object
    wanted = idempotency.fingerprint(request.method, request.path, body)

    def run() -> tuple[int, str]:
        value, status = view()
        return status, wire.encode(value)

    with orders.ahead(body.get("order_id")):
        stored = idempotency.once(g.caller.merchant_id, key, wanted, run, is_light=is_light)
    response = JsonAnswer(stored.response, stored.status_code)
    if stored.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
