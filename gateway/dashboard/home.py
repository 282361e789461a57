"""The first page: keys, numbers, what needs attention."""

from flask import g
from flask.typing import ResponseReturnValue

from gateway.dashboard import dashboard
from gateway.web import pages


@dashboard.get("/dashboard")
def home() -> ResponseReturnValue:
    return pages.page("dashboard/home/page.html", section="home", merchant_name=g.person.merchant_name)
