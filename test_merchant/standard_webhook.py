"""The second signature, by the rules of Standard Webhooks 1.0 (standardwebhooks.com).

It covers the id and the time of sending too, so a recorded request cannot be
played again later. Libraries for most languages check it; this is what they do.
"""

import base64
import hashlib
import hmac

TOLERANCE_S = 300
SECRET_PREFIX = "whsec_"


def verify_standard(
    raw_body: bytes, message_id: str, timestamp: str, signatures: str, secret: str, now_s: float
) -> bool | None:
    """Whether one of `signatures` fits the body, the id and a recent time; None when there is none.

    message_id, timestamp, signatures   the webhook-id, webhook-timestamp and webhook-signature headers
    now_s                               the receiver's clock, Unix seconds; five minutes may lie between
    """
    if not signatures:
        return None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + raw_body
    expected = b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    # Several, separated by spaces, while a secret is being replaced.
    given = (signature.encode("utf-8", "replace") for signature in signatures.split())
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _key(secret: str) -> bytes:
    """The decoded base64 part after `whsec_` where it is one of 24 to 64 bytes, else the secret as it is."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        return secret.encode()
    return key if 24 <= len(key) <= 64 else secret.encode()
