"""docs."""

from flask.typing import ResponseReturnValue

from gateway.dashboard import dashboard
from gateway.web import pages


@dashboard.get("/dashboard/docs")
def docs() -> ResponseReturnValue:
    return pages.page("dashboard/home/page.html", section="docs")
