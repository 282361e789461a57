"""Pages that are being built."""

from flask.typing import ResponseReturnValue

from gateway.dashboard import dashboard
from gateway.web import pages


def _soon(name: str) -> None:
    def view() -> ResponseReturnValue:
        return pages.page("dashboard/soon.html", section=name)

    dashboard.add_url_rule(f"/dashboard/{name}", name, view)


for name in ("transactions", "orders", "refunds", "webhooks", "jobs", "docs"):
    _soon(name)
