"""Pages that are being built."""

from flask.typing import ResponseReturnValue

from gateway.dashboard import dashboard
from gateway.web import pages


def _soon(name: str) -> None:
    def view() -> ResponseReturnValue:
        return pages.page("dashboard/home/page.html", section=name)

    dashboard.add_url_rule(f"/dashboard/{name}", name, view)


for name in ("transactions", "orders", "refunds", "webhooks", "jobs", "docs", "settings"):
    _soon(name)


def sign_up() -> ResponseReturnValue:
    return pages.page("dashboard/home/page.html", section="home")


dashboard.add_url_rule("/signup", "sign_up", sign_up)
