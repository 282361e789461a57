"""The `Idempotency-Key` header: the same request again gets the same bytes."""

from collections.abc import Callable
from functools import wraps

from flask import Response, g, request

from gateway.api.answers import answer
from gateway.api.reading import json_body
from gateway.core.db import transaction
from gateway.domain import idempotency, wire

View = Callable[..., tuple[wire.Json, int]]


def idempotent(view: View) -> Callable[..., Response]:
    """Run the view in one transaction, together with the key that its answer is kept under."""

    @wraps(view)
    def wrapper(**path: str) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            with transaction():
                return answer(*view(**path))
        return _once(key, lambda: view(**path))

    return wrapper


def _once(key: str, view: Callable[[], tuple[wire.Json, int]]) -> Response:
    idempotency.check_key(key)
    wanted = idempotency.fingerprint(request.method, request.path, json_body())

    def run() -> tuple[int, str]:
        value, status = view()
        return status, wire.encode(value)

    stored = idempotency.once(g.caller.merchant_id, key, wanted, run)
    response = Response(stored.response, stored.status_code, mimetype="application/json")
    if stored.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response
