"""Webhook signatures: what we send, and how a receiver checks it.

Two schemes travel together. `X-Webhook-Signature` is the one published
receivers of this contract verify: HMAC-SHA256 over the body, key = the secret
as UTF-8. The other is Standard Webhooks 1.0 (standardwebhooks.com): HMAC over
`id.timestamp.body`, key = the decoded base64 part after `whsec_`, or the UTF-8
secret where that part is no base64.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from functools import lru_cache

SECRET_PREFIX = "whsec_"


def new_secret() -> str:
    """`whsec_` + base64 of 32 random bytes: 50 characters."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(body: bytes, secret: str) -> str:
    """Lower-case hex HMAC-SHA256 of the exact bytes."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def standard_signature(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """`v1,<base64>` over `id.timestamp.body`, as Standard Webhooks 1.0 says."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digest = hmac.digest(_standard_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def verify(body: bytes, given: str, secret: str) -> bool:
    """Whether `given` is this body's signature; the time taken tells nothing."""
    return hmac.compare_digest(signature(body, secret).encode(), given.encode())


def headers(
    *, event_id: str, event: str, body: bytes, secret: str, attempt: int, timestamp: int | None = None
) -> dict[str, str]:
    """All headers of one delivery. The timestamp is this attempt's (now by default), the id the event's."""
    timestamp = int(time.time()) if timestamp is None else timestamp
    return {
        "Content-Type": "application/json",
        "User-Agent": "PaymentGateway-Webhooks/1.0",
        "X-Webhook-Signature": signature(body, secret),
        "X-Webhook-Event": event,
        "X-Webhook-Attempt": str(attempt),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_signature(event_id, timestamp, body, secret),
    }


@lru_cache(maxsize=1024)
def _standard_key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
