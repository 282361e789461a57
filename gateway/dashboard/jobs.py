"""The three queues, the workers that serve them, and what waits for a human."""

from typing import Any

from flask import g
from flask.typing import ResponseReturnValue

from gateway.core.db import reading
from gateway.dashboard import dashboard
from gateway.domain import workers, workload
from gateway.web import pages


@dashboard.get("/dashboard/jobs")
def jobs() -> ResponseReturnValue:
    return pages.page("dashboard/jobs/page.html", section="jobs", **_work())


@dashboard.get("/dashboard/jobs/live")
def jobs_live() -> ResponseReturnValue:
    return pages.live("dashboard/jobs/_work.html", **_work())


def _work() -> dict[str, Any]:
    with reading():
        queues = workload.of(g.person.merchant_id)
        return {
            "queues": queues,
            "totals": {state: sum(queue[state] for queue in queues.values()) for state in workload.STATES},
            "workers": workers.alive(),
            "is_running": workers.is_running(),
            "flagged": workload.flagged(g.person.merchant_id),
        }
