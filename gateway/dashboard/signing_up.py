"""Opening an account: a new merchant, its owner, and its keys in hand."""

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from gateway.core import config
from gateway.core.db import transaction
from gateway.core.errors import BadRequest, NotFound
from gateway.core.validation import validate
from gateway.dashboard import dashboard
from gateway.dashboard.signing_in import is_open, remember
from gateway.domain import users
from gateway.domain.users import SignUpBody
from gateway.web import pages
from gateway.web.ratelimit import Limit

_from_address = Limit(10)


@dashboard.get("/signup")
@is_open
def sign_up() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for("dashboard.home"), 303)
    return _page()


@dashboard.post("/signup")
@is_open
def open_account() -> ResponseReturnValue:
    """Ends on a page that shows the secret: in production it is neither kept nor put into a cookie."""
    typed = {name: request.form.get(name, "") for name in ("name", "email", "password")}
    _from_address.count(request.remote_addr or "")
    try:
        with transaction():
            account = users.sign_up(validate(SignUpBody, dict(typed)), request.user_agent.string)
    except BadRequest as refusal:
        return _page(400, problem=refusal, name=typed["name"], email=typed["email"])
    remember(account.token)
    return pages.page(
        "dashboard/sign_up/welcome.html", 201, account=account, api_url=config.current().api_url
    )


def _page(status: int = 200, **values: object) -> ResponseReturnValue:
    if not config.current().allow_signup:
        raise NotFound("There is nothing at this address")
    return pages.page("dashboard/sign_up/page.html", status, min_length=users.MIN_PASSWORD_LENGTH, **values)
