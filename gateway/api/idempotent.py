"""The `Idempotency-Key` header: the same request again gets the same bytes."""

from collections.abc import Callable
from functools import wraps

from flask import Response, g, request

from gateway.api.answers import answer
from gateway.api.reading import json_body
from gateway.core.db import Conflict, transaction
from gateway.core.errors import Busy, KeyInUse
from gateway.domain import idempotency, wire
from gateway.domain.idempotency import Stored

View = Callable[..., tuple[wire.Json, int]]


def idempotent(view: View) -> Callable[..., Response]:
    """Run the view in one transaction, together with the key that its answer is kept under.

    Two requests with one key cannot both commit: the table's primary key makes
    the second wait for the first, and then it is given the first one's answer.
    """

    @wraps(view)
    def wrapper(**path: str) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            with transaction():
                return answer(*view(**path))
        return _once(key, lambda: view(**path))

    return wrapper


def _once(key: str, run: Callable[[], tuple[wire.Json, int]]) -> Response:
    idempotency.check_key(key)
    merchant_id = g.caller.merchant_id
    wanted = idempotency.fingerprint(request.method, request.path, json_body())
    stored = idempotency.find(merchant_id, key, wanted)
    if stored is not None:
        return _replay(stored)
    try:
        with transaction():
            response = answer(*run())
            idempotency.keep(merchant_id, key, wanted, response.status_code, response.get_data(as_text=True))
        return response
    except Conflict as conflict:
        if conflict.table != idempotency.TABLE:
            raise
        return _answer_of_twin(merchant_id, key, wanted)
    except Busy as error:
        raise _in_use() from error


def _answer_of_twin(merchant_id: str, key: str, wanted: str) -> Response:
    stored = idempotency.find(merchant_id, key, wanted)
    if stored is None:
        raise _in_use()
    return _replay(stored)


def _in_use() -> KeyInUse:
    return KeyInUse("The first request with this Idempotency-Key is still running", retry_after=1)


def _replay(stored: Stored) -> Response:
    response = Response(stored.response, stored.status_code, mimetype="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response
