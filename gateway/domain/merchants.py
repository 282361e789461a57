"""Merchants, their keys, and what they say about their checkout: who is asking, and from where?"""

import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unicodedata import category
from uuid import uuid4

from sqlalchemy import select, update

from gateway.core import clock, config, crypto
from gateway.core.config import SEEDED_PASSWORD, SEEDED_WEBHOOK_SECRET, Config
from gateway.core.db import Conflict, fetch_one, later, reading, session, transaction
from gateway.core.errors import AuthenticationFailed, BadRequest, Unavailable
from gateway.core.ids import new_id
from gateway.core.statements import Statement, moment
from gateway.domain import audit
from gateway.models import ApiKey, Endpoint, Merchant, User

SEEDED_MERCHANT_ID = "550e8400-e29b-41d4-a716-446655440000"
MAX_ORIGINS = 20
MAX_NAME_LENGTH = 255

# What a browser calls an origin, and what a Content-Security-Policy takes: no path, wildcard or credentials.
_ORIGIN = re.compile(r"(https?)://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

_CACHE_S = 1.0
_MAX_CACHED = 1024
_STAMP_EVERY = timedelta(minutes=1)

_FIND_KEY = Statement(
    "SELECT k.secret_hash, k.merchant_id, k.last_used_at FROM api_keys k"
    " JOIN merchants m ON m.id = k.merchant_id"
    " WHERE k.key = :key AND k.revoked_at IS NULL AND m.is_active"
)
_STAMP_KEY = Statement("UPDATE api_keys SET last_used_at = :now WHERE key = :key")
_FIND_OWNER = Statement(
    "SELECT merchant_id FROM api_keys WHERE key = :key AND revoked_at IS NULL AND merchant_id = :merchant_id"
)
_FIND_SHOPFRONT = Statement(
    "SELECT name, allowed_origins, requires_checkout_token, is_active FROM merchants WHERE id = :merchant_id"
)


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


def newest_key(merchant_id: str) -> tuple[str, str | None] | None:
    """The merchant's newest key that is not revoked, with its secret where a page may show it."""
    row = session().scalar(
        select(ApiKey)
        .where(ApiKey.merchant_id == merchant_id, ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.created_at.desc(), ApiKey.id)
        .limit(1)
    )
    if row is None:
        return None
    return row.key, None if row.secret_encrypted is None else crypto.decrypt(row.secret_encrypted)


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


@dataclass(frozen=True)
class Shopfront:
    """What the checkout has to know of a merchant."""

    name: str
    origins: tuple[str, ...]
    requires_token: bool
    is_open: bool = True


def shopfront(merchant_id: str) -> Shopfront:
    """How this merchant's checkout looks and who may open it."""
    row = fetch_one(_FIND_SHOPFRONT, merchant_id=merchant_id)
    assert row is not None, "an order names its merchant"
    return Shopfront(row[0], tuple(json.loads(row[1] or "[]")), bool(row[2]), bool(row[3]))


def check_open(shop: Shopfront) -> None:
    """Refuse a payer of a merchant who is not active; what was begun before can still be looked at.

    raises  BadRequest  the merchant was deactivated
    """
    if not shop.is_open:
        raise BadRequest("This shop takes no payments at the moment", reason="merchant_inactive")


def owns_key(merchant_id: str, key: str) -> bool:
    """Whether this is a key in use of this merchant; says nothing about its secret."""
    plain = key if key.isascii() and key.isprintable() else ""
    return fetch_one(_FIND_OWNER, key=plain, merchant_id=merchant_id) is not None


def readable_name(text: str) -> str:
    """A merchant's name as it is kept, with single spaces. Raises ValueError where it is none."""
    name = " ".join(text.split())
    # No more than that: other invisible characters join letters in many scripts.
    if not 1 <= len(name) <= MAX_NAME_LENGTH or any(category(letter) == "Cc" for letter in name):
        raise ValueError(f"must be 1 to {MAX_NAME_LENGTH} readable characters")
    return name


def rename(merchant_id: str, actor: str, name: str) -> None:
    """Take another name, which payers see at the checkout.

    raises  BadRequest  empty, too long, or with control characters
    """
    try:
        name = readable_name(name)
    except ValueError as problem:
        raise BadRequest(f"name {problem}", field="name") from None
    _change(merchant_id, name=name)
    audit.note(merchant_id, actor, "merchant.renamed", name)


def save_allowed_origins(merchant_id: str, actor: str, origins: list[str]) -> list[str]:
    """Let pages of exactly these origins embed the checkout from now on, and of no others.

    origins  such as `https://shop.example` or `http://localhost:4000`, at most 20; written
             as browsers write them (lower case, no default port), each once. Empty brings the
             default back: any port of localhost in the sandbox, nobody in production
    raises   BadRequest  too many, or one of them is no origin
    """
    exact = list(dict.fromkeys(_exact_origin(text) for text in origins))
    if len(exact) > MAX_ORIGINS:
        raise BadRequest(f"At most {MAX_ORIGINS} origins can be listed", field="allowed_origins")
    _change(merchant_id, allowed_origins=json.dumps(exact) if exact else None)
    audit.note(merchant_id, actor, "origins.saved", " ".join(exact) or None)
    return exact


def _exact_origin(text: str) -> str:
    match = _ORIGIN.fullmatch(text.strip().lower())
    if match is None or len(text) > 255 or (match[3] and not 1 <= int(match[3]) <= 65535):
        raise BadRequest(
            f"{text[:80]!r} is no origin: write scheme, host and, if it has one, port, such as"
            " https://shop.example, without a path or *",
            field="allowed_origins",
        )
    scheme, host, port = match.groups()
    is_default = port is None or int(port) == _DEFAULT_PORTS[scheme]
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{int(port)}"


def require_checkout_token(merchant_id: str, actor: str, wanted: bool) -> None:
    """Turn on or off that the open checkout wants an order's token besides its id."""
    _change(merchant_id, requires_checkout_token=wanted)
    audit.note(merchant_id, actor, "checkout_token.required" if wanted else "checkout_token.not_required")


def _change(merchant_id: str, **values: Any) -> None:
    session().execute(
        update(Merchant)
        .where(Merchant.id == merchant_id)
        .values(**values, updated_at=clock.now())
        .execution_options(synchronize_session=False)
    )
