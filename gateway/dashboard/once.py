"""A form that is sent twice, by a double click or a reload, acts once."""

from collections.abc import Callable

from flask import g, request

from gateway.domain import idempotency


def once(act: Callable[[], str]) -> str:
    """What `act` gave to the first of the requests that are exactly this one.

    It runs in one transaction together with a key made of the form's fields, one
    of which is a random value where the same form may be meant twice.
    """
    fields = {name: value for name, value in request.form.items() if name != "csrf_token"}
    key = idempotency.fingerprint(request.method, request.path, fields)
    return idempotency.once(g.person.merchant_id, key, key, lambda: (200, act())).response
