"""Secrets at rest: encrypted where a page must show them, hashed where not.

`configure` is called once by the roof with the process's keys.
"""

import hashlib
import hmac
import os
import secrets
from typing import Any

from cryptography.exceptions import InvalidKey
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from gateway.core.config import Config

# RFC 9106, section 4, second recommended option (64 MiB, three passes).
_ARGON2: dict[str, Any] = {"length": 32, "iterations": 3, "lanes": 4, "memory_cost": 64 * 1024}

_fernet: MultiFernet | None = None
# Set up once: each hash goes on from a copy, which costs less than to begin with the key.
_hash_key = hmac.new(b"", digestmod=hashlib.sha256)


def configure(config: Config) -> None:
    """Take the keys of this process; the first Fernet key encrypts, all decrypt."""
    global _fernet, _hash_key
    _fernet = MultiFernet([Fernet(key) for key in config.fernet_keys])
    key = hashlib.sha256(b"gateway.hash:" + config.secret_key.encode()).digest()
    _hash_key = hmac.new(key, digestmod=hashlib.sha256)


def encrypt(text: str) -> str:
    assert _fernet is not None, "crypto.configure was not called"
    return _fernet.encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text that `encrypt` was given. Raises cryptography's InvalidToken for another key's."""
    assert _fernet is not None, "crypto.configure was not called"
    return _fernet.decrypt(token.encode()).decode()


def keyed_hash(purpose: str, data: bytes) -> str:
    """HMAC-SHA256 in hex under this installation's key; `purpose` keeps uses apart."""
    keyed = _hash_key.copy()
    keyed.update(purpose.encode() + b"\0" + data)
    return keyed.hexdigest()


def equal(left: str, right: str) -> bool:
    """Compare two texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def hash_password(password: str) -> str:
    """Argon2id in PHC string format; takes some 50 ms and 64 MiB on purpose."""
    return Argon2id(salt=os.urandom(16), **_ARGON2).derive_phc_encoded(password.encode())


def verify_password(password: str, phc: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), phc)
    except InvalidKey:
        return False
    return True


def new_token(length_bytes: int = 24) -> str:
    """URL-safe randomness for keys and secrets that are shown once."""
    return secrets.token_urlsafe(length_bytes)
