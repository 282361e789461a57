"""Users: the people who sign in for a merchant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from gateway.core import clock, config, crypto, rows
from gateway.core.db import session
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_uuid
from gateway.core.validation import Body, Text
from gateway.domain import audit, endpoints, merchants, roles, sessions
from gateway.domain.sessions import MAX_PASSWORD_LENGTH, Person
from gateway.models import Merchant, User

MIN_PASSWORD_LENGTH = 10


def _email(text: str) -> str:
    name, at, host = text.strip().partition("@")
    is_plain = text.isprintable() and " " not in text.strip()
    if not (name and at and host and is_plain) or "@" in host or len(text) > 255:
        raise ValueError("must be an e-mail address")
    return sessions.address(text)


Email = Annotated[Text, AfterValidator(_email)]
Password = Annotated[Text, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH)]
Name = Annotated[Text, AfterValidator(merchants.readable_name)]


class SignUpBody(Body):
    """What a new merchant says about itself."""

    name: Name
    email: Email
    password: Password


class UserBody(Body):
    """A person who is to come in, and as what."""

    email: Email
    password: Password
    role: str


@dataclass(frozen=True)
class SignedUp:
    """A new merchant with its keys in hand; the secret is readable now and never again."""

    token: str
    api_key: str
    api_secret: str


def sign_up(body: SignUpBody, agent: str) -> SignedUp:
    """A new merchant with an owner, an API key and a signed-in session.

    raises  NotFound    ALLOW_SIGNUP is off
            BadRequest  somebody has this e-mail address already
    """
    if not config.current().allow_signup:
        raise NotFound("There is nothing at this address")
    now, merchant_id = clock.now(), str(uuid4())
    # Before the first row is locked: the hash takes its time on purpose.
    password_hash = crypto.hash_password(body.password)
    if session().scalar(select(func.count()).where(Merchant.email == body.email)):
        raise _taken()
    session().add(Merchant(id=merchant_id, name=body.name, email=body.email, created_at=now, updated_at=now))
    _flush()
    user = _add(merchant_id, body.email, password_hash, "owner")
    key, secret = merchants.create_key(merchant_id, body.email)
    endpoints.default(merchant_id)
    audit.note(merchant_id, body.email, "merchant.signed_up", body.name)
    return SignedUp(sessions.begin(user.id, agent), key, secret)


def add(by: Person, body: UserBody) -> User:
    """Let another person in, with a first password that its owner is to change.

    raises  BadRequest  there is no such role, or somebody has this address already
    """
    if body.role not in roles.ROLES:
        raise BadRequest(f"role must be one of {', '.join(roles.ROLES)}", field="role")
    user = _add(by.merchant_id, body.email, crypto.hash_password(body.password), body.role)
    audit.note(by.merchant_id, by.email, "user.added", f"{body.email} as {body.role}")
    return user


def _add(merchant_id: str, email: str, password_hash: str, role: str) -> User:
    now = clock.now()
    user = User(
        id=str(uuid4()),
        merchant_id=merchant_id,
        email=email,
        password_hash=password_hash,
        role=role,
        created_at=now,
        updated_at=now,
    )
    session().add(user)
    _flush()
    return user


def _flush() -> None:
    try:
        session().flush()
    except IntegrityError:
        raise _taken() from None


def _taken() -> BadRequest:
    return BadRequest("Somebody has an account with this e-mail address already", field="email")


def of(merchant_id: str) -> Sequence[User]:
    """The merchant's people, in the order in which they came."""
    query = select(User).where(User.merchant_id == merchant_id).order_by(User.created_at, User.id)
    return session().scalars(query).all()


def set_role(by: Person, user_id: str, role: str) -> None:
    """Give a person another role.

    raises  NotFound    nobody of this merchant
            BadRequest  no such role, or the last owner would be lost
    """
    if role not in roles.ROLES:
        raise BadRequest(f"role must be one of {', '.join(roles.ROLES)}", field="role")
    user = _locked(by.merchant_id, user_id)
    _keep_an_owner(user, still_owner=role == "owner")
    user.role, user.updated_at = role, clock.now()
    audit.note(by.merchant_id, by.email, "user.role_changed", f"{user.email} to {role}")


def set_active(by: Person, user_id: str, is_active: bool) -> None:
    """Let a person in again, or out at once: every session of theirs ends.

    raises  NotFound    nobody of this merchant
            BadRequest  the last owner would be lost
    """
    user = _locked(by.merchant_id, user_id)
    _keep_an_owner(user, still_owner=is_active)
    user.is_active, user.updated_at = is_active, clock.now()
    if not is_active:
        sessions.end_others(user.id, None)
    audit.note(by.merchant_id, by.email, "user.activated" if is_active else "user.deactivated", user.email)


def change_password(by: Person, current: str, new: str) -> None:
    """Take a new password and end the person's other sessions.

    raises  BadRequest  the current one is wrong, or the new one too short or long
    """
    if not MIN_PASSWORD_LENGTH <= len(new) <= MAX_PASSWORD_LENGTH:
        text = f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"
        raise BadRequest(text, field="new_password")
    # Before the first row is locked: hashes take their time on purpose.
    known = rows.find(User, by.user_id)
    if known is None or len(current) > MAX_PASSWORD_LENGTH:
        raise _not_current()
    if not crypto.verify_password(current, known.password_hash):
        raise _not_current()
    password_hash = crypto.hash_password(new)
    user = _locked(by.merchant_id, by.user_id)
    if user.password_hash != known.password_hash:
        raise _not_current()  # it was changed a moment ago
    user.password_hash, user.updated_at = password_hash, clock.now()
    sessions.end_others(user.id, by.session_id)
    audit.note(by.merchant_id, by.email, "user.password_changed")


def _not_current() -> BadRequest:
    return BadRequest("This is not your current password", field="current_password")


def sign_out_elsewhere(by: Person) -> None:
    """End the person's sessions in every other browser."""
    sessions.end_others(by.user_id, by.session_id)
    audit.note(by.merchant_id, by.email, "user.signed_out_elsewhere")


def _locked(merchant_id: str, user_id: str) -> User:
    """A person of this merchant; all of the merchant's owners are locked, so that one remains."""
    session().execute(
        select(User.id).where(User.merchant_id == merchant_id).order_by(User.id).with_for_update()
    )
    user = session().get(User, user_id) if is_uuid(user_id) else None
    if user is None or user.merchant_id != merchant_id:
        raise NotFound("User not found")
    return user


def _keep_an_owner(user: User, *, still_owner: bool) -> None:
    if still_owner or user.role != "owner" or not user.is_active:
        return
    others = session().scalar(
        select(func.count()).where(
            User.merchant_id == user.merchant_id,
            User.role == "owner",
            User.is_active,
            User.id != user.id,
        )
    )
    if not others:
        raise BadRequest("At least one active owner has to remain", field="role")
