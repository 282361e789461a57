"""Identifiers that cannot be guessed."""

import os
import re
from collections import deque

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 16
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


# Fetched a page at a time: each question to the system lets other threads of the process in between.
_PAGE = 256
_page: deque[bytes] = deque()
# A forked process would else give out the ids of its parent once more.
os.register_at_fork(after_in_child=_page.clear)


def _random_bytes() -> bytes:
    """Sixteen bytes of the system's randomness, never given out twice."""
    while True:
        try:
            return _page.pop()
        except IndexError:
            fresh = os.urandom(16 * _PAGE)
            _page.extend(fresh[at : at + 16] for at in range(0, len(fresh), 16))


def new_id(prefix: str) -> str:
    """`pay_` + 16 base-62 characters from the system's randomness: 95 bits."""
    number = int.from_bytes(_random_bytes(), "big")
    parts = []
    for _ in range(_LENGTH // 2):
        number, pair = divmod(number, len(_PAIRS))
        parts.append(_PAIRS[pair])
    return f"{prefix}_{''.join(parts)}"


def new_uuid() -> str:
    """A random UUID (RFC 9562, version 4)."""
    number = int.from_bytes(_random_bytes(), "big")
    number = number & ~(0xF000 << 64) & ~(0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(prefix: str, text: object) -> bool:
    """Whether `text` has the form that `new_id(prefix)` gives."""
    if not isinstance(text, str) or len(text) != len(prefix) + 1 + _LENGTH:
        return False
    return text.startswith(f"{prefix}_") and text.isascii() and text[len(prefix) + 1 :].isalnum()


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID as we write them: lower case, with dashes."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None
