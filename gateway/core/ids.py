"""Identifiers that cannot be guessed."""

import os
import re
from collections import deque

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 16
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


# Made a page at a time: each question to the system lets other threads of the process in between.
_PAGE_BYTES = 4096
_texts: deque[str] = deque()
_numbers: deque[bytes] = deque()
# A forked process would else give out the ids of its parent once more.
os.register_at_fork(after_in_child=_texts.clear)
os.register_at_fork(after_in_child=_numbers.clear)

# A byte below 248 is a character, each as likely as the others; the eight bytes above would favour some.
_CHARACTERS = (ALPHABET * 4).encode().ljust(256)
_UNFAIR = bytes(range(4 * len(ALPHABET), 256))


def _random_text() -> str:
    """Sixteen base-62 characters of the system's randomness, never given out twice."""
    while True:
        try:
            return _texts.pop()
        except IndexError:
            page = os.urandom(_PAGE_BYTES).translate(_CHARACTERS, _UNFAIR).decode()
            _texts.extend(page[at : at + _LENGTH] for at in range(0, len(page) - _LENGTH + 1, _LENGTH))


def _random_bytes() -> bytes:
    """Sixteen bytes of the same, never given out twice."""
    while True:
        try:
            return _numbers.pop()
        except IndexError:
            page = os.urandom(_PAGE_BYTES)
            _numbers.extend(page[at : at + 16] for at in range(0, _PAGE_BYTES, 16))


def new_id(prefix: str) -> str:
    """`pay_` + 16 base-62 characters from the system's randomness: 95 bits."""
    return f"{prefix}_{_random_text()}"


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
