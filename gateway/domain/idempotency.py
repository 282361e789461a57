"""Idempotency keys: the same request sent again gets the same bytes back.

A key is written in the transaction of the request it belongs to, so a killed
request leaves none behind, and the table's primary key decides between twins:
the second one's insert waits for the first one's commit and then fails, after
which the stored answer is found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select, tuple_

from gateway.core import clock, config, crypto
from gateway.core.db import Conflict, add_row, later, session, transaction
from gateway.core.errors import BadRequest, Busy, KeyInUse, KeyReused, Refusal
from gateway.core.lookups import Found, Lookup
from gateway.core.statements import Statement, moment
from gateway.domain import backlog
from gateway.models import IdempotencyKey

MAX_KEY_LENGTH = 255
TABLE = IdempotencyKey.__tablename__

# Every request that brings a key passes here first.
_KEPT = Lookup(
    IdempotencyKey,
    "fingerprint, status_code, response, expires_at",
    "merchant_id",
    "key",
    company_s=backlog.pause_s,
)
_FORGET = Statement(
    "DELETE FROM idempotency_keys"
    " WHERE merchant_id = :merchant_id AND key = :key AND expires_at = :expires_at"
)


@dataclass(frozen=True)
class Stored:
    """The answer to the first request, to be sent again as it is."""

    status_code: int
    response: str
    is_replay: bool = False


def once(
    merchant_id: str, key: str, wanted: str, run: Callable[[], tuple[int, str]], *, is_light: bool = False
) -> Stored:
    """The answer that `run` gives, or the one it gave to the first request with this key.

    is_light  it only gathers (core/db.py); then it shares one commit with others of its kind,
              and may be run by their thread or, should that fail, twice

    It runs in one transaction together with the key. Two requests with one key cannot
    both commit: the table's primary key makes the second wait for the first, and then
    it is given the first one's answer. So it is where the first one has just taken
    what the second came for, and the verb refused it.

    raises  KeyReused  the key belongs to a request with another fingerprint
            KeyInUse   the first request is still running
    """

    def first() -> Stored:
        with transaction():
            status_code, response = run()
            keep(merchant_id, key, wanted, status_code, response)
        return Stored(status_code, response)

    stored = None if is_light else find(merchant_id, key, wanted)
    if stored is not None:
        return stored
    try:
        if is_light:
            return _KEPT.use((merchant_id, key), lambda row: _kept(row, merchant_id, key, wanted) or first())
        return first()
    except Busy as error:
        raise _in_use() from error
    except (Conflict, Refusal) as error:
        stored = find(merchant_id, key, wanted)
        if stored is not None:
            return stored
        if isinstance(error, Conflict) and error.table == TABLE:
            raise _in_use() from error
        raise


def _in_use() -> KeyInUse:
    return KeyInUse("The first request with this Idempotency-Key is still running", retry_after=1)


def check_key(key: str) -> None:
    """Refuse a key that is empty, longer than 255 characters or not printable ASCII."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise BadRequest(
            f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters",
            field="Idempotency-Key",
        )


def fingerprint(method: str, path: str, body: dict[str, Any]) -> str:
    """What makes two requests the same: a keyed HMAC, blind to CVV and all but four digits of a card."""
    card = body.get("card")
    if isinstance(card, dict):
        kept = {name: value for name, value in card.items() if name != "cvv"}
        if "number" in kept:
            kept["number"] = str(kept["number"])[-4:]
        body = body | {"card": kept}
    canonical = orjson.dumps([method, path, body], option=orjson.OPT_SORT_KEYS)
    return crypto.keyed_hash("idempotency", canonical)


def find(merchant_id: str, key: str, wanted: str) -> Stored | None:
    """The answer kept under this key, or None when the key is new or has expired.

    raises  KeyReused  the key belongs to a request with another fingerprint
    """
    return _kept(_KEPT.find(merchant_id, key), merchant_id, key, wanted)


def _kept(row: Found, merchant_id: str, key: str, wanted: str) -> Stored | None:
    if row is None:
        return None
    found, status_code, response, expires_at = row
    if moment(expires_at) <= clock.now():
        with transaction():
            later(_FORGET, merchant_id=merchant_id, key=key, expires_at=expires_at)
        return None
    if not crypto.equal(found, wanted):
        raise KeyReused(
            "This Idempotency-Key was used with a different request; use a new key", field="Idempotency-Key"
        )
    return Stored(status_code, response, is_replay=True)


def keep(merchant_id: str, key: str, wanted: str, status_code: int, response: str) -> None:
    """Store the answer, for IDEMPOTENCY_TTL_HOURS, in the transaction of its request."""
    now = clock.now()
    add_row(
        IdempotencyKey,
        merchant_id=merchant_id,
        key=key,
        fingerprint=wanted,
        status_code=status_code,
        response=response,
        created_at=now,
        expires_at=now + timedelta(hours=config.current().idempotency_ttl_hours),
    )


def purge(limit: int = 1000) -> int:
    """Delete some of the expired keys and say how many."""
    expired = (
        select(IdempotencyKey.merchant_id, IdempotencyKey.key)
        .where(IdempotencyKey.expires_at <= clock.now())
        .limit(limit)
    )
    result: Any = session().execute(
        delete(IdempotencyKey)
        .where(tuple_(IdempotencyKey.merchant_id, IdempotencyKey.key).in_(expired))
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)
