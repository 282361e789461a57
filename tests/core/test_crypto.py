"""Secrets at rest."""

import re
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from gateway.core import crypto
from gateway.core.config import Config

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def keys_of_the_others() -> Iterator[None]:
    """Puts back the keys that database tests of this process go on with."""
    before = crypto._fernet, crypto._hash_key
    yield
    crypto._fernet, crypto._hash_key = before


def with_keys(*keys: str, secret_key: str = "a secret key") -> None:
    crypto.configure(Config(encryption_keys=keys, secret_key=secret_key))


def test_what_was_encrypted_comes_back() -> None:
    with_keys(NEW)
    for text in ("", "whsec_test_abc123", "मीरा 🎁\0\n", "x" * 10_000):
        token = crypto.encrypt(text)
        assert crypto.decrypt(token) == text
        assert text not in token or not text
        assert crypto.encrypt(text) != token


def test_the_first_key_encrypts_and_an_old_one_still_decrypts() -> None:
    with_keys(OLD)
    kept = crypto.encrypt("kept from before")
    with_keys(NEW, OLD)
    assert crypto.decrypt(kept) == "kept from before"
    fresh = crypto.encrypt("fresh")
    assert Fernet(NEW).decrypt(fresh.encode()) == b"fresh"
    with pytest.raises(InvalidToken):
        Fernet(OLD).decrypt(fresh.encode())


def test_a_key_that_was_taken_away_decrypts_no_more() -> None:
    with_keys(OLD)
    kept = crypto.encrypt("kept from before")
    with_keys(NEW)
    with pytest.raises(InvalidToken):
        crypto.decrypt(kept)


def test_a_token_that_was_touched_is_refused() -> None:
    with_keys(NEW)
    token = crypto.encrypt("secret")
    touched = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    for wrong in (touched, "", "secret", token[:40]):
        with pytest.raises(InvalidToken):
            crypto.decrypt(wrong)


def test_without_a_key_of_its_own_the_sandbox_derives_one_from_the_secret_key() -> None:
    with_keys(secret_key="shared by three containers")
    token = crypto.encrypt("secret")
    with_keys(secret_key="shared by three containers")
    assert crypto.decrypt(token) == "secret"
    with_keys(secret_key="another")
    with pytest.raises(InvalidToken):
        crypto.decrypt(token)


def test_a_password_is_kept_as_argon2id_in_phc_format_with_a_salt_of_its_own() -> None:
    kept = crypto.hash_password("password")
    salt_and_hash = r"\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}"
    assert re.fullmatch(r"\$argon2id\$v=19\$m=65536,t=3,p=4" + salt_and_hash, kept)
    assert crypto.verify_password("password", kept)
    assert not crypto.verify_password("Password", kept)
    assert crypto.hash_password("password") != kept
    # An outside judge: the library's own reading of the text.
    Argon2id.verify_phc_encoded(b"password", kept)


def test_a_kept_password_that_is_none_lets_nobody_in() -> None:
    for nonsense in ("", "password", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"):
        assert not crypto.verify_password("password", nonsense)


def test_a_keyed_hash_depends_on_key_purpose_and_data() -> None:
    with_keys(NEW, secret_key="one")
    hashed = crypto.keyed_hash("api-secret", b"secret_test_xyz789")
    assert re.fullmatch(r"[0-9a-f]{64}", hashed)
    assert crypto.keyed_hash("api-secret", b"secret_test_xyz789") == hashed
    assert crypto.keyed_hash("fingerprint", b"secret_test_xyz789") != hashed
    assert crypto.keyed_hash("api-secret", b"secret_test_xyz78") != hashed
    with_keys(NEW, secret_key="two")
    assert crypto.keyed_hash("api-secret", b"secret_test_xyz789") != hashed


def test_purpose_and_data_of_a_keyed_hash_do_not_run_into_each_other() -> None:
    with_keys(NEW)
    assert crypto.keyed_hash("a", b"bc") != crypto.keyed_hash("ab", b"c")
    assert crypto.keyed_hash("", b"abc") != crypto.keyed_hash("abc", b"")


def test_a_new_encryption_key_leaves_keyed_hashes_as_they_are() -> None:
    """Else rolling ENCRYPTION_KEY would lock every merchant out."""
    with_keys(OLD, secret_key="same")
    before = crypto.keyed_hash("api-secret", b"x")
    with_keys(NEW, OLD, secret_key="same")
    assert crypto.keyed_hash("api-secret", b"x") == before


def test_texts_of_any_kind_can_be_compared() -> None:
    assert crypto.equal("₹ 🎁", "₹ 🎁")
    assert not crypto.equal("₹", "$")
    assert not crypto.equal("", "x")
    assert crypto.equal("", "")


def test_tokens_are_url_safe_and_never_the_same() -> None:
    made = {crypto.new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", token) for token in made)
    assert len(crypto.new_token(32)) == 43
