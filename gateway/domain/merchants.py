"""Merchants and their keys: who is asking?"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import select

from gateway.core import clock, config, crypto
from gateway.core.config import SEEDED_PASSWORD, SEEDED_WEBHOOK_SECRET, Config
from gateway.core.db import Conflict, fetch_one, later, reading, session, transaction
from gateway.core.errors import AuthenticationFailed, Unavailable
from gateway.core.ids import new_id
from gateway.core.statements import Statement, moment
from gateway.domain import audit
from gateway.models import ApiKey, Endpoint, Merchant, User

SEEDED_MERCHANT_ID = "550e8400-e29b-41d4-a716-446655440000"

_CACHE_S = 1.0
_MAX_CACHED = 1024
_STAMP_EVERY = timedelta(minutes=1)

_FIND_KEY = Statement(
    "SELECT k.secret_hash, k.merchant_id, k.last_used_at FROM api_keys k"
    " JOIN merchants m ON m.id = k.merchant_id"
    " WHERE k.key = :key AND k.revoked_at IS NULL AND m.is_active"
)
_STAMP_KEY = Statement("UPDATE api_keys SET last_used_at = :now WHERE key = :key")


@dataclass(frozen=True)
class Caller:
    """Who sent an authenticated request."""

    merchant_id: str
    key: str


_known: dict[str, tuple[str, str, float]] = {}


def authenticate(key: str, secret: str) -> Caller:
    """The merchant behind a pair of credentials; a good answer is remembered for a second.

    raises  AuthenticationFailed  missing, unknown, revoked or wrong, or the
                                  merchant is inactive: same text, same work
    """
    secret_hash = crypto.keyed_hash("api_secret", secret.encode("utf-8", "surrogateescape"))
    expected, merchant_id = _expected_hash(key)
    if not crypto.equal(secret_hash, expected) or merchant_id is None:
        raise AuthenticationFailed
    return Caller(merchant_id, key)


def _expected_hash(key: str) -> tuple[str, str | None]:
    known = _known.get(key)
    if known is not None and known[2] > time.monotonic():
        return known[0], known[1]
    row = fetch_one(_FIND_KEY, key=key if key.isascii() and key.isprintable() else "")
    if row is None:
        return "", None
    secret_hash, merchant_id, last_used_at = row
    if len(_known) >= _MAX_CACHED:
        _known.clear()
    _known[key] = (secret_hash, merchant_id, time.monotonic() + _CACHE_S)
    _stamp(key, last_used_at)
    return secret_hash, merchant_id


def _stamp(key: str, last_used_at: datetime | str | None) -> None:
    """Note when a key was last used, at most once a minute, so that reads stay reads."""
    now = clock.now()
    if last_used_at is not None and now - moment(last_used_at) < _STAMP_EVERY:
        return
    try:
        with transaction():
            later(_STAMP_KEY, key=key, now=now)
    except Unavailable:
        pass  # a stamp is no reason to refuse a request


def forget_cached_keys() -> None:
    """Make the next request of every key look at the database again."""
    _known.clear()


def seeded() -> tuple[Merchant, ApiKey] | None:
    """The sandbox's test merchant with its key, or None when it was never made."""
    with reading():
        merchant = session().get(Merchant, SEEDED_MERCHANT_ID)
        if merchant is None:
            return None
        key = (
            session()
            .scalars(
                select(ApiKey).where(ApiKey.merchant_id == merchant.id, ApiKey.revoked_at.is_(None)).limit(1)
            )
            .first()
        )
        return None if key is None else (merchant, key)


def seed(config: Config) -> bool:
    """Make the contract's test merchant where it is absent. Says whether it did."""
    with reading():
        if session().get(Merchant, SEEDED_MERCHANT_ID) is not None:
            return False
    try:
        with transaction():
            _make_test_merchant(config)
    except Conflict:
        return False  # another process, starting at the same moment, was first
    return True


def _make_test_merchant(config: Config) -> None:
    now, email = clock.now(), config.test_merchant_email
    session().add(
        Merchant(id=SEEDED_MERCHANT_ID, name="Test Merchant", email=email, created_at=now, updated_at=now)
    )
    session().flush()
    session().add_all(
        [
            User(
                id=str(uuid4()),
                merchant_id=SEEDED_MERCHANT_ID,
                email=email,
                password_hash=crypto.hash_password(SEEDED_PASSWORD),
                created_at=now,
                updated_at=now,
            ),
            new_api_key(SEEDED_MERCHANT_ID, config.test_api_key, config.test_api_secret, shown=True),
            Endpoint(
                id=new_id("we"),
                merchant_id=SEEDED_MERCHANT_ID,
                url=config.test_webhook_url,
                is_default=True,
                secret_encrypted=crypto.encrypt(SEEDED_WEBHOOK_SECRET),
                created_at=now,
                updated_at=now,
            ),
        ]
    )


def create_key(merchant_id: str, actor: str) -> tuple[str, str]:
    """A new pair of credentials: the key, and the secret that is readable now and never again."""
    mode = "test" if config.current().is_sandbox else "live"
    key, secret = f"key_{mode}_{crypto.new_token(18)}", f"secret_{mode}_{crypto.new_token(32)}"
    # The sandbox shows its secrets again and again; production does so once.
    session().add(new_api_key(merchant_id, key, secret, shown=config.current().is_sandbox))
    audit.note(merchant_id, actor, "key.created", key)
    return key, secret


def new_api_key(merchant_id: str, key: str, secret: str, *, shown: bool) -> ApiKey:
    """A row for a pair of credentials; `shown` keeps an encrypted copy for a page to show."""
    return ApiKey(
        id=str(uuid4()),
        merchant_id=merchant_id,
        key=key,
        secret_hash=crypto.keyed_hash("api_secret", secret.encode()),
        secret_encrypted=crypto.encrypt(secret) if shown else None,
        created_at=clock.now(),
    )
