"""Identifiers that cannot be guessed."""

import re
import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 16
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def new_id(prefix: str) -> str:
    """`pay_` + 16 base-62 characters from the system's randomness: 95 bits."""
    number = int.from_bytes(secrets.token_bytes(16), "big")
    parts = []
    for _ in range(_LENGTH // 2):
        number, pair = divmod(number, len(_PAIRS))
        parts.append(_PAIRS[pair])
    return f"{prefix}_{''.join(parts)}"


def is_id(prefix: str, text: object) -> bool:
    """Whether `text` has the form that `new_id(prefix)` gives."""
    if not isinstance(text, str) or len(text) != len(prefix) + 1 + _LENGTH:
        return False
    return text.startswith(f"{prefix}_") and text.isascii() and text[len(prefix) + 1 :].isalnum()


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID as we write them: lower case, with dashes."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None
