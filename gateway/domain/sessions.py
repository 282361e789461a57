"""Sessions: a person signed in with one browser.

The cookie holds a random token, the table its keyed hash. A session is over when
it was ended here, however long a copy of the cookie lives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import select, update

from gateway.core import clock, crypto
from gateway.core.db import add, fetch_one, later, reading, session, transaction
from gateway.core.errors import Refusal, Unavailable
from gateway.core.statements import Statement, moment
from gateway.domain import audit
from gateway.models import Merchant, User, UserSession

LIFETIME = timedelta(days=14)
MAX_PASSWORD_LENGTH = 200

_STAMP_EVERY = timedelta(minutes=1)
_FIND = Statement(
    "SELECT s.id, u.id, u.email, u.role, m.id, m.name, s.last_seen_at FROM user_sessions s"
    " JOIN users u ON u.id = s.user_id JOIN merchants m ON m.id = u.merchant_id"
    " WHERE s.token_hash = :token_hash AND s.ended_at IS NULL AND s.expires_at > :now"
    " AND u.is_active AND m.is_active"
)
_STAMP = Statement("UPDATE user_sessions SET last_seen_at = :now WHERE id = :id")
_STAMP_USER = Statement("UPDATE users SET last_seen_at = :now WHERE id = :id")
_END = Statement("UPDATE user_sessions SET ended_at = :now WHERE id = :id AND ended_at IS NULL")

# What nobody's password is: an unknown address costs the same work as a wrong password.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class SignInFailed(Refusal):
    """One text for every cause, so that nobody learns which addresses have an account."""

    code = "AUTHENTICATION_ERROR"
    status = 401

    def __init__(self) -> None:
        super().__init__("E-mail or password is wrong", field="email")


@dataclass(frozen=True)
class Person:
    """Who is signed in, for which merchant, in which session."""

    session_id: str
    user_id: str
    email: str
    role: str
    merchant_id: str
    merchant_name: str


def sign_in(email: str, password: str, agent: str) -> str:
    """Begin a session and return the token for its cookie.

    raises  SignInFailed  unknown address, wrong password, or a person or
                          merchant that is not active: same text, same work
    """
    with reading():
        found = (
            session()
            .execute(
                select(User.id, User.merchant_id, User.password_hash, User.is_active & Merchant.is_active)
                .join(Merchant, Merchant.id == User.merchant_id)
                .where(User.email == address(email))
            )
            .first()
        )
    user_id, merchant_id, password_hash, is_active = found or ("", "", _NOBODY, False)
    is_right = len(password) <= MAX_PASSWORD_LENGTH and crypto.verify_password(password, password_hash)
    if not (is_right and is_active):
        raise SignInFailed
    with transaction():
        # Locked, so that a password changed since then ends this session, too, or it never begins.
        same = select(User.id).where(User.id == user_id, User.password_hash == password_hash)
        if session().scalar(same.with_for_update()) is None:
            raise SignInFailed
        audit.note(merchant_id, address(email), "user.signed_in")
        return begin(user_id, agent)


def address(email: str) -> str:
    """An e-mail address as we keep and compare it; U+0000, which no database takes, finds nobody."""
    return email.strip().lower().replace("\0", "")[:255]


def begin(user_id: str, agent: str) -> str:
    """A new session of this user in the caller's transaction; the token for its cookie."""
    token, now = crypto.new_token(), clock.now()
    add(
        UserSession(
            id=str(uuid4()),
            user_id=user_id,
            token_hash=_hash(token),
            agent=agent.replace("\0", "")[:255],
            created_at=now,
            last_seen_at=now,
            expires_at=now + LIFETIME,
        )
    )
    later(_STAMP_USER, id=user_id, now=now)
    return token


def find(token: str) -> Person | None:
    """Whose token this is, or None when the session is over."""
    row = fetch_one(_FIND, token_hash=_hash(token), now=clock.now())
    if row is None:
        return None
    session_id, user_id, email, role, merchant_id, merchant_name, last_seen_at = row
    _stamp(session_id, user_id, moment(last_seen_at))
    return Person(session_id, user_id, email, role, merchant_id, merchant_name)


def _stamp(session_id: str, user_id: str, last_seen_at: datetime) -> None:
    """Note when somebody was here last, at most once a minute, so that looks stay looks."""
    now = clock.now()
    if now - last_seen_at < _STAMP_EVERY:
        return
    try:
        with transaction():
            later(_STAMP, id=session_id, now=now)
            later(_STAMP_USER, id=user_id, now=now)
    except Unavailable:
        pass  # a stamp is no reason to refuse a page


def of(user_id: str) -> Sequence[UserSession]:
    """The browsers in which a person is signed in now, the one seen last first."""
    return (
        session()
        .scalars(
            select(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.ended_at.is_(None),
                UserSession.expires_at > clock.now(),
            )
            .order_by(UserSession.last_seen_at.desc(), UserSession.id)
        )
        .all()
    )


def end(session_id: str) -> None:
    """Sign this session out; a copy of its cookie is worth nothing from now on."""
    later(_END, id=session_id, now=clock.now())


def end_others(user_id: str, kept_session_id: str | None) -> None:
    """End all sessions of a person but one, or all: a new password, or a person who was let go."""
    ended = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if kept_session_id is not None:
        ended = ended.where(UserSession.id != kept_session_id)
    session().execute(ended.values(ended_at=clock.now()).execution_options(synchronize_session=False))


def _hash(token: str) -> str:
    return crypto.keyed_hash("session", token.encode("utf-8", "surrogatepass"))
