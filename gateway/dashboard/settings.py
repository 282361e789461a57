"""Settings of the merchant and of the person: name, checkout, own password, own sessions."""

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core.db import reading, transaction
from gateway.core.errors import BadRequest
from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import needs
from gateway.domain import merchants, sessions, users
from gateway.domain.roles import Act
from gateway.web import pages
from gateway.web.ratelimit import Limit

# Whoever found an open session may not try passwords with it.
_password_tries = Limit(10)


@dashboard.get("/dashboard/settings")
def settings() -> ResponseReturnValue:
    return _account_page()


@dashboard.get("/dashboard/settings/<any(name, password, sessions):_form>")
def settings_form(_form: str) -> ResponseReturnValue:
    """Where a form of the page was sent to; a reload leads back to the page."""
    return redirect(url_for("dashboard.settings"), 303)


@dashboard.post("/dashboard/settings/name")
@needs(Act.MANAGE_MERCHANT)
def rename() -> ResponseReturnValue:
    name = request.form.get("name", "")
    try:
        with transaction():
            merchants.rename(g.person.merchant_id, g.person.email, name)
    except BadRequest as refusal:
        return _account_page(400, problem=refusal, name=name)
    flash("The name is saved. Payers see it at the checkout.", "good")
    return redirect(url_for("dashboard.settings"), 303)


@dashboard.post("/dashboard/settings/password")
def change_password() -> ResponseReturnValue:
    current, new = (request.form.get(name, "") for name in ("current_password", "new_password"))
    _password_tries.count(g.person.user_id)
    try:
        with transaction():
            users.change_password(g.person, current, new)
    except BadRequest as refusal:
        return _account_page(400, problem=refusal)
    flash("The password is changed, and every other browser of yours is signed out.", "good")
    return redirect(url_for("dashboard.settings"), 303)


@dashboard.post("/dashboard/settings/sessions")
def end_other_sessions() -> ResponseReturnValue:
    with transaction():
        users.sign_out_elsewhere(g.person)
    flash("Every other browser of yours is signed out.", "good")
    return redirect(url_for("dashboard.settings"), 303)


def _account_page(status: int = 200, **values: object) -> ResponseReturnValue:
    with reading():
        own_sessions = sessions.of(g.person.user_id)
    values = {"name": g.person.merchant_name} | values
    return pages.page(
        "dashboard/settings/account.html",
        status,
        section="settings",
        tab="account",
        sessions=own_sessions,
        min_length=users.MIN_PASSWORD_LENGTH,
        **values,
    )


@dashboard.get("/dashboard/settings/checkout")
def checkout_settings() -> ResponseReturnValue:
    return _checkout_page()


@dashboard.post("/dashboard/settings/checkout")
@needs(Act.MANAGE_MERCHANT)
def save_checkout_settings() -> ResponseReturnValue:
    origins, needs_token = request.form.get("allowed_origins", ""), "requires_token" in request.form
    known = merchants.shopfront(g.person.merchant_id)
    try:
        with transaction():
            merchants.save_allowed_origins(g.person.merchant_id, g.person.email, origins.split())
            if needs_token != known.requires_token:
                merchants.require_checkout_token(g.person.merchant_id, g.person.email, needs_token)
    except BadRequest as refusal:
        return _checkout_page(400, problem=refusal, origins=origins, requires_token=needs_token)
    flash("The checkout's settings are saved.", "good")
    return redirect(url_for("dashboard.checkout_settings"), 303)


def _checkout_page(status: int = 200, **values: object) -> ResponseReturnValue:
    known = merchants.shopfront(g.person.merchant_id)
    values = {"origins": "\n".join(known.origins), "requires_token": known.requires_token} | values
    return pages.page(
        "dashboard/settings/checkout.html",
        status,
        section="settings",
        tab="checkout",
        max_origins=merchants.MAX_ORIGINS,
        **values,
    )
