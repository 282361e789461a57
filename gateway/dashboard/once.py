"""A form that is sent twice, by a double click or a reload, acts once."""

from collections.abc import Callable

from flask import g, request

from gateway.core.db import Conflict, transaction
from gateway.core.errors import Refusal
from gateway.domain import idempotency


def once(act: Callable[[], str]) -> str:
    """What `act` gave to the first of the requests that are exactly this one.

    It runs in one transaction together with a key made of the form's fields, one
    of which is a random value where the same form may be meant twice.
    """
    fields = {name: value for name, value in request.form.items() if name != "csrf_token"}
    key = idempotency.fingerprint(request.method, request.path, fields)
    merchant_id: str = g.person.merchant_id
    stored = idempotency.find(merchant_id, key, key)
    if stored is not None:
        return stored.response
    try:
        with transaction():
            response = act()
            idempotency.keep(merchant_id, key, key, 200, response)
        return response
    except (Conflict, Refusal):
        # The twin was quicker, and perhaps took what this one came for.
        stored = idempotency.find(merchant_id, key, key)
        if stored is None:
            raise
        return stored.response
