"""Is this webhook really from the gateway? Copy this function into your shop."""

import hashlib
import hmac


def verify(raw_body: bytes, signature: str, secret: str) -> bool:
    """Whether `signature` (the X-Webhook-Signature header) was made over exactly these bytes.

    raw_body   the body as it came, before any JSON parser has touched it
    secret     your webhook secret as the dashboard shows it, `whsec_` included
    """
    expected = hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    # As bytes, because compare_digest raises TypeError for text that is not ASCII, and anybody may send that.
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
