"""API keys as a merchant's people see and manage them; who presents one is found out by `merchants`."""

from collections.abc import Sequence

from sqlalchemy import select, update

from gateway.core import clock, crypto
from gateway.core.db import session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_uuid
from gateway.domain import audit
from gateway.models import ApiKey


class LastKey(BadRequest):
    """Without this key no server of the merchant's can reach the API."""


def of(merchant_id: str) -> Sequence[ApiKey]:
    """All keys there ever were, the newest first, and those in use before the revoked ones."""
    query = (
        select(ApiKey)
        .where(ApiKey.merchant_id == merchant_id)
        .order_by(ApiKey.revoked_at.is_not(None), ApiKey.created_at.desc(), ApiKey.id)
    )
    return session().scalars(query).all()


def newest(merchant_id: str) -> ApiKey | None:
    """The key in use that was made last."""
    query = select(ApiKey).where(ApiKey.merchant_id == merchant_id, ApiKey.revoked_at.is_(None))
    return session().scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.id).limit(1)).first()


def secret_of(key: ApiKey) -> str | None:
    """The secret in clear, for a page of the sandbox; None where it was shown once and is gone."""
    return None if key.secret_encrypted is None else crypto.decrypt(key.secret_encrypted)


def revoke(merchant_id: str, actor: str, key_id: str, *, even_the_last: bool = False) -> str:
    """Refuse this key from now on, for good, and return it; its secret is forgotten.

    raises  NotFound    not this merchant's, or no such key
            BadRequest  it was revoked before
            LastKey     no other is left, and nobody said `even_the_last`

    All keys of the merchant are locked, so that two people who each revoke
    another key cannot leave none by accident. What a web process remembers of a
    key it forgets within a second; `merchants.forget_cached_keys` after the
    commit makes that at once.
    """
    own = select(ApiKey.id, ApiKey.revoked_at).where(ApiKey.merchant_id == merchant_id)
    rows = session().execute(own.order_by(ApiKey.id).with_for_update()).all()
    in_use = {row.id for row in rows if row.revoked_at is None}
    if not is_uuid(key_id) or key_id not in {row.id for row in rows}:
        raise NotFound("API key not found")
    if key_id not in in_use:
        raise BadRequest("This key has been revoked already")
    if in_use == {key_id} and not even_the_last:
        raise LastKey("This is your last key: without it no server of yours can reach the API. Confirm it.")
    key = session().scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=clock.now(), secret_encrypted=None)
        .returning(ApiKey.key)
        .execution_options(synchronize_session=False)
    )
    assert key is not None, "the row was locked"
    audit.note(merchant_id, actor, "key.revoked", key)
    return key
