"""People, their roles, their sessions, and the keys they manage: also when two act at once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from gateway.core import clock, crypto
from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.db import reading, session, transaction
from gateway.core.errors import BadRequest, NotFound, Refusal
from gateway.core.validation import validate
from gateway.domain import keys, merchants, roles, sessions, users
from gateway.domain.keys import LastKey
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.domain.roles import Act, Forbidden
from gateway.domain.sessions import Person, SignInFailed
from gateway.domain.users import SignUpBody, UserBody
from gateway.models import User
from tests.conftest import RIVAL_ID
from tests.races.crowd import at_once

Rows = Callable[..., list[dict[str, Any]]]

PASSWORD = "correct horse battery"
ROUNDS = 10


@pytest.fixture(scope="module")
def password_hash() -> str:
    return crypto.hash_password(PASSWORD)


@pytest.fixture
def hire(config: Config, password_hash: str) -> Callable[..., Person]:
    def hire(email: str, role: str = "owner", merchant_id: str = SEEDED_MERCHANT_ID) -> Person:
        now, user_id = clock.now(), str(uuid4())
        with transaction():
            session().add(
                User(
                    id=user_id,
                    merchant_id=merchant_id,
                    email=email,
                    password_hash=password_hash,
                    role=role,
                    created_at=now,
                    updated_at=now,
                )
            )
            token = sessions.begin(user_id, "tests")
        person = sessions.find(token)
        assert person is not None
        return person

    return hire


@pytest.fixture
def asha(hire: Callable[..., Person]) -> Person:
    return hire("asha@example.com")


def attempt(act: Callable[[], Any]) -> Refusal | None:
    """Do this in a transaction of its own; the refusal, if there is one."""
    try:
        with transaction():
            act()
    except Refusal as refusal:
        return refusal
    return None


def active_owners(rows: Rows) -> int:
    return len(
        rows(
            "SELECT id FROM users WHERE role = 'owner' AND is_active AND merchant_id = :id",
            id=SEEDED_MERCHANT_ID,
        )
    )


# Roles


def test_a_role_may_what_it_is_for_and_no_more() -> None:
    able = {role: {act for act in Act if roles.may(role, act)} for role in roles.ROLES}
    assert able["owner"] == set(Act)
    assert able["viewer"] == set()
    assert set(Act) - able["developer"] == {Act.MOVE_MONEY, Act.MANAGE_MERCHANT}


def test_a_refusal_says_who_could() -> None:
    with pytest.raises(Forbidden) as refused:
        roles.require("viewer", Act.MANAGE_KEYS)
    assert refused.value.status == 403
    assert refused.value.description == "Your role, viewer, cannot manage keys. Ask an owner or developer."
    roles.require("developer", Act.MANAGE_KEYS)


# Sessions


def test_a_session_is_one_browsers(asha: Person, hire: Callable[..., Person], rows: Rows) -> None:
    with transaction():
        second = sessions.begin(asha.user_id, "another browser")
    with reading():
        assert {row.agent for row in sessions.of(asha.user_id)} == {"tests", "another browser"}
    other = sessions.find(second)
    assert other is not None and other.session_id != asha.session_id
    with transaction():
        sessions.end(other.session_id)
    assert sessions.find(second) is None
    with reading():
        assert [row.id for row in sessions.of(asha.user_id)] == [asha.session_id]


def test_all_sessions_or_all_but_one_end(asha: Person, hire: Callable[..., Person]) -> None:
    colleague = hire("bina@example.com")
    with transaction():
        sessions.begin(asha.user_id, "another")
    with transaction():
        sessions.end_others(asha.user_id, asha.session_id)
    with reading():
        assert [row.id for row in sessions.of(asha.user_id)] == [asha.session_id]
    with transaction():
        sessions.end_others(asha.user_id, None)
    with reading():
        assert list(sessions.of(asha.user_id)) == []
        assert len(sessions.of(colleague.user_id)) == 1


def test_a_browser_may_call_itself_anything(asha: Person) -> None:
    with transaction():
        token = sessions.begin(asha.user_id, "\0" + "x" * 5000)
    assert sessions.find(token) is not None


def test_signing_in_needs_the_password(asha: Person) -> None:
    assert sessions.find(sessions.sign_in(" ASHA@example.com", PASSWORD, "tests")) is not None
    for email, password in (("asha@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("\0", "\0")):
        with pytest.raises(SignInFailed):
            sessions.sign_in(email, password, "tests")


# People


def test_a_person_comes_in_and_changes_the_first_password(asha: Person, rows: Rows) -> None:
    body = validate(UserBody, {"email": "New@Example.com", "password": "first password", "role": "viewer"})
    with transaction():
        users.add(asha, body)
    token = sessions.sign_in("new@example.com", "first password", "tests")
    newcomer = sessions.find(token)
    assert newcomer is not None and newcomer.role == "viewer"
    elsewhere = sessions.sign_in("new@example.com", "first password", "tests")
    with transaction():
        users.change_password(newcomer, "first password", "second password")
    assert sessions.find(elsewhere) is None and sessions.find(token) is not None
    with pytest.raises(SignInFailed):
        sessions.sign_in("new@example.com", "first password", "tests")


def test_of_two_who_change_one_password_the_later_hears_that_it_is_no_longer_current(asha: Person) -> None:
    """Both know the old one; hashing the new one takes long enough for it to happen, and holds up nobody."""
    hash_password = crypto.hash_password
    in_between: list[str] = []

    def change(new: str) -> None:
        with transaction():
            users.change_password(asha, PASSWORD, new)

    def overtaken(password: str) -> str:
        if not in_between:
            in_between.append(password)
            other = threading.Thread(target=change, args=("the faster one",))
            other.start()
            other.join(10)
            assert not other.is_alive()
        return hash_password(password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "hash_password", overtaken)
        with pytest.raises(BadRequest, match="not your current password"):
            change("the slower one")
    assert in_between == ["the slower one"]
    assert sessions.sign_in(asha.email, "the faster one", "tests")


@pytest.mark.parametrize("email", ["", "@", "a@", "@b", "a b@c", "a@b@c", "a\nb@c", "x" * 250 + "@b.example"])
def test_what_is_no_address_is_refused(config: Config, email: str) -> None:
    with pytest.raises(BadRequest):
        validate(UserBody, {"email": email, "password": PASSWORD, "role": "viewer"})


def test_an_address_is_one_persons_whatever_the_merchant(asha: Person, hire: Callable[..., Person]) -> None:
    rival = hire("owner@rival.example", merchant_id=RIVAL_ID)
    body = validate(UserBody, {"email": "ASHA@example.com", "password": PASSWORD, "role": "owner"})
    refusal = attempt(lambda: users.add(rival, body))
    assert refusal is not None and refusal.field == "email"


def test_nobody_reaches_into_another_merchant(asha: Person, hire: Callable[..., Person], rows: Rows) -> None:
    rival = hire("owner@rival.example", merchant_id=RIVAL_ID)
    for act in (
        partial(users.set_role, rival, asha.user_id, "viewer"),
        partial(users.set_active, rival, asha.user_id, False),
        partial(users.set_role, rival, "nonsense", "viewer"),
    ):
        assert isinstance(attempt(act), NotFound)
    with reading():
        assert [user.email for user in users.of(RIVAL_ID)] == ["owner@rival.example"]
    assert active_owners(rows) == 2


# Two at once


def test_two_owners_who_demote_each_other_leave_one(
    asha: Person, hire: Callable[..., Person], rows: Rows, config: Config
) -> None:
    seeded = rows("SELECT id FROM users WHERE email = :email", email=config.test_merchant_email)[0]["id"]
    with transaction():
        users.set_role(asha, str(seeded), "viewer")
    bina = hire("bina@example.com")
    for turn in range(ROUNDS):
        deeds = [
            partial(users.set_role, asha, bina.user_id, "viewer"),
            partial(users.set_active, bina, asha.user_id, False)
            if turn % 2
            else partial(users.set_role, bina, asha.user_id, "developer"),
        ]
        refusals = at_once([partial(attempt, deed) for deed in deeds])
        assert active_owners(rows) == 1
        assert [type(refusal) for refusal in refusals if refusal] == [BadRequest]
        with transaction():
            for person in (asha, bina):
                user = session().get(User, person.user_id)
                assert user is not None
                user.role, user.is_active = "owner", True


def test_two_who_revoke_the_last_two_keys_leave_one(config: Config, rows: Rows) -> None:
    for _ in range(ROUNDS):
        with transaction():
            merchants.create_key(SEEDED_MERCHANT_ID, "tests")
        in_use = "SELECT id FROM api_keys WHERE merchant_id = :id AND revoked_at IS NULL"
        both = [str(row["id"]) for row in rows(in_use, id=SEEDED_MERCHANT_ID)]
        assert len(both) == 2
        deeds = [
            partial(attempt, partial(keys.revoke, SEEDED_MERCHANT_ID, "tests", key_id)) for key_id in both
        ]
        assert sorted(type(refusal) for refusal in at_once(deeds) if refusal) == [LastKey]
        assert len(rows(in_use, id=SEEDED_MERCHANT_ID)) == 1


def test_one_key_is_revoked_once(config: Config, rows: Rows) -> None:
    with transaction():
        merchants.create_key(SEEDED_MERCHANT_ID, "tests")
    key_id = str(rows("SELECT id FROM api_keys WHERE key = 'key_test_abc123'")[0]["id"])
    deed = partial(attempt, partial(keys.revoke, SEEDED_MERCHANT_ID, "tests", key_id))
    refusals = [refusal for refusal in at_once([deed] * 6) if refusal]
    assert len(refusals) == 5 and {type(refusal) for refusal in refusals} == {BadRequest}
    assert len(rows("SELECT id FROM audit_log WHERE act = 'key.revoked'")) == 1


def test_of_many_who_sign_up_with_one_address_one_does(
    config: Config, rows: Rows, monkeypatch: pytest.MonkeyPatch, password_hash: str
) -> None:
    settings.use(replace(config, allow_signup=True))
    monkeypatch.setattr(crypto, "hash_password", lambda _password: password_hash)
    body = validate(SignUpBody, {"name": "Chai", "email": "new@example.com", "password": PASSWORD})
    refusals = at_once([partial(attempt, partial(users.sign_up, body, "tests"))] * 6)
    assert sorted(type(refusal).__name__ for refusal in refusals) == ["BadRequest"] * 5 + ["NoneType"]
    (merchant,) = rows("SELECT id FROM merchants WHERE email = 'new@example.com'")
    for table in ("users", "api_keys", "webhook_endpoints"):
        assert len(rows(f"SELECT id FROM {table} WHERE merchant_id = :id", id=str(merchant["id"]))) == 1
