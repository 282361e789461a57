"""API keys: which there are, a new one, the end of an old one."""

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core.db import reading, transaction
from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import needs
from gateway.domain import keys, merchants, roles
from gateway.domain.keys import LastKey
from gateway.domain.roles import Act
from gateway.web import pages


@dashboard.get("/dashboard/settings/keys")
def api_keys() -> ResponseReturnValue:
    return _page()


@dashboard.post("/dashboard/settings/keys")
@needs(Act.MANAGE_KEYS)
def create_key() -> ResponseReturnValue:
    """The one answer that shows a secret in production: it is neither kept nor put into a cookie."""
    with transaction():
        key, secret = merchants.create_key(g.person.merchant_id, g.person.email)
    return _page(201, made={"key": key, "secret": secret})


@dashboard.post("/dashboard/settings/keys/<key_id>/revoke")
@needs(Act.MANAGE_KEYS)
def revoke_key(key_id: str) -> ResponseReturnValue:
    try:
        with transaction():
            key = keys.revoke(
                g.person.merchant_id, g.person.email, key_id, even_the_last="even_the_last" in request.form
            )
    except LastKey as refusal:
        return _page(409, last_key_id=key_id, problem=refusal)
    merchants.forget_cached_keys()
    flash(f"{key} is revoked. Requests with it are refused from now on.", "good")
    return redirect(url_for("dashboard.api_keys"), 303)


@dashboard.get("/dashboard/settings/keys/<_key_id>/revoke")
def revoked_key(_key_id: str) -> ResponseReturnValue:
    """Where the form was sent to; a reload leads back to the list."""
    return redirect(url_for("dashboard.api_keys"), 303)


def _page(status: int = 200, **values: object) -> ResponseReturnValue:
    may_see = roles.may(g.person.role, Act.SEE_SECRETS)
    with reading():
        found = keys.of(g.person.merchant_id)
    return pages.page(
        "dashboard/settings/keys.html",
        status,
        section="settings",
        tab="keys",
        keys=[(key, keys.secret_of(key) if may_see else None) for key in found],
        **values,
    )
