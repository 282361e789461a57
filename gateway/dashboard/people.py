"""The people who sign in for a merchant, and what they may do."""

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from gateway.core.db import reading, transaction
from gateway.core.errors import BadRequest
from gateway.core.validation import validate
from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import needs
from gateway.domain import roles, users
from gateway.domain.roles import Act
from gateway.domain.users import UserBody
from gateway.web import pages


@dashboard.get("/dashboard/settings/people")
def people() -> ResponseReturnValue:
    return _page()


@dashboard.post("/dashboard/settings/people")
@needs(Act.MANAGE_MERCHANT)
def add_person() -> ResponseReturnValue:
    typed = {name: request.form.get(name, "") for name in ("email", "password", "role")}
    try:
        body = validate(UserBody, dict(typed))
        with transaction():
            users.add(g.person, body)
    except BadRequest as refusal:
        return _page(400, problem=refusal, email=typed["email"], chosen_role=typed["role"])
    flash(
        f"{body.email} can sign in now, as {body.role}. Pass on the first password, to be changed at once.",
        "good",
    )
    return redirect(url_for("dashboard.people"), 303)


@dashboard.post("/dashboard/settings/people/<user_id>/role")
@needs(Act.MANAGE_MERCHANT)
def set_role(user_id: str) -> ResponseReturnValue:
    with transaction():
        users.set_role(g.person, user_id, request.form.get("role", ""))
    flash("The role is changed.", "good")
    return redirect(url_for("dashboard.people"), 303)


@dashboard.post("/dashboard/settings/people/<user_id>/<any(activate, deactivate):act>")
@needs(Act.MANAGE_MERCHANT)
def set_active(user_id: str, act: str) -> ResponseReturnValue:
    with transaction():
        users.set_active(g.person, user_id, act == "activate")
    said = "can sign in again" if act == "activate" else "is signed out everywhere and stays out"
    flash(f"This person {said}.", "good")
    return redirect(url_for("dashboard.people"), 303)


def _page(status: int = 200, **values: object) -> ResponseReturnValue:
    with reading():
        found = users.of(g.person.merchant_id)
    return pages.page(
        "dashboard/settings/people.html",
        status,
        section="settings",
        tab="people",
        people=found,
        roles=roles.ROLES,
        min_length=users.MIN_PASSWORD_LENGTH,
        **values,
    )
