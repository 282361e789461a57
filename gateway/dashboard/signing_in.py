"""Who is at the dashboard: signing in and out, and what every page knows of its reader."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect

from gateway.core import config
from gateway.core.db import transaction
from gateway.dashboard import dashboard
from gateway.domain import roles, sessions
from gateway.domain.roles import Act
from gateway.domain.sessions import LIFETIME, Person, SignInFailed
from gateway.web import pages
from gateway.web.ratelimit import Limit

# Argon2 takes its time, and guessing must take longer still.
_from_address = Limit(30)
_for_account = Limit(10)

csrf = CSRFProtect()
manager = LoginManager()

View = Callable[..., ResponseReturnValue]


class SignedIn(UserMixin):  # type: ignore[misc]
    """What Flask-Login keeps in the cookie: the token of a session that the database knows."""

    def __init__(self, token: str, person: Person | None = None) -> None:
        self.id = token
        self.person = person


@manager.user_loader  # type: ignore[untyped-decorator]
def load(token: str) -> SignedIn | None:
    person = sessions.find(token)
    return None if person is None else SignedIn(token, person)


def init_app(app: Flask) -> None:
    settings = app.config["GATEWAY"]
    app.config.update(
        SESSION_COOKIE_NAME="gateway_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
        # Only the dashboard has cookies to protect; it asks by itself.
        WTF_CSRF_CHECK_DEFAULT=False,
        # A page that is kept open all day still has its form.
        WTF_CSRF_TIME_LIMIT=None,
    )
    csrf.init_app(app)
    # Without what its `init_app` adds. Pages know `person`, and one that says the database is away must not
    # ask it for one; and no answer, of the API least of all, has a second cookie to look after.
    app.login_manager = manager  # type: ignore[attr-defined]
    manager.session_protection = None  # the token is checked with the database at each request


def is_open(view: View) -> View:
    """Marks a page that somebody who is not signed in may see."""
    view.is_open = True  # type: ignore[attr-defined]
    return view


@dashboard.before_request
def let_in() -> ResponseReturnValue | None:
    """Turn away forged forms, and whoever is not signed in where that is needed."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        csrf.protect()
    view = current_app.view_functions[request.endpoint or ""]
    if getattr(view, "is_open", False):
        return None
    if not current_user.is_authenticated:
        return _to_login()
    g.person = current_user.person
    return None


def _to_login() -> ResponseReturnValue:
    login_url = url_for("dashboard.login", next=_wanted_page())
    if pages.is_from_htmx():
        # A poll of a page that was signed out elsewhere: the whole page leaves, not a table of it.
        return Response(status=401, headers={"HX-Redirect": login_url})
    return redirect(login_url, 303)


def _wanted_page() -> str | None:
    if request.method != "GET":
        return None
    return pages.page_around() if pages.is_fragment() else request.full_path.rstrip("?")


def needs(act: Act) -> Callable[[View], View]:
    """Refuse this page to people whose role may not do that."""

    def mark(view: View) -> View:
        @wraps(view)
        def wrapper(**path: Any) -> ResponseReturnValue:
            roles.require(g.person.role, act)
            return view(**path)

        return wrapper

    return mark


@dashboard.context_processor
def what_pages_know() -> dict[str, Any]:
    settings = config.current()
    person: Person | None = g.get("person")
    return {
        "person": person,
        "may": lambda act: person is not None and roles.may(person.role, Act[act]),
        "is_sandbox": settings.is_sandbox,
        "is_test_mode": settings.test_mode,
        "allow_signup": settings.allow_signup,
        "query": pages.query,
    }


@dashboard.get("/")
@is_open
def root() -> ResponseReturnValue:
    return redirect(url_for("dashboard.home" if current_user.is_authenticated else "dashboard.login"), 303)


@dashboard.get("/login")
@is_open
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for("dashboard.home"), 303)
    return _login_page()


@dashboard.post("/login")
@is_open
def sign_in() -> ResponseReturnValue:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    _from_address.count(request.remote_addr or "")
    _for_account.count(sessions.address(email))
    try:
        token = sessions.sign_in(email, password, request.user_agent.string)
    except SignInFailed as refusal:
        return _login_page(refusal.status, email=email, problem=refusal.description)
    remember(token)
    return redirect(_own_path(request.args.get("next")) or url_for("dashboard.home"), 303)


def remember(token: str) -> None:
    """Put a new session into the cookie; the one that was in it ends, and nothing of it is left."""
    _end_session()
    session.clear()
    session.permanent = True
    login_user(SignedIn(token))


def _login_page(status: int = 200, **values: object) -> ResponseReturnValue:
    settings = config.current()
    hint = settings.test_merchant_email if settings.is_sandbox else None
    return pages.page("dashboard/login.html", status, hint=hint, **values)


def _own_path(wanted: str | None) -> str | None:
    """Where somebody wanted to go before signing in, if that is a page of ours."""
    if not wanted or not wanted.isprintable() or "\\" in wanted:
        return None
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return None  # `//[` begins an address that never ends
    is_ours = wanted.startswith("/dashboard") and not parts.scheme and not parts.netloc
    return wanted if is_ours else None


@dashboard.post("/logout")
@is_open
def sign_out() -> ResponseReturnValue:
    _end_session()
    logout_user()
    session.clear()
    flash("You are signed out.", "good")
    return redirect(url_for("dashboard.login"), 303)


def _end_session() -> None:
    """End the session that this browser was in, if it was in one."""
    if current_user.is_authenticated:
        with transaction():
            sessions.end(current_user.person.session_id)
