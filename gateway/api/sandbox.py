"""What the sandbox tells anybody; none of it exists in production."""

from flask import Response

from gateway.api import open_api
from gateway.api.answers import answer
from gateway.core import config
from gateway.core.db import reading
from gateway.core.errors import NotFound
from gateway.domain import merchants, wire, workers, workload


@open_api.get("/test/merchant")
def get_test_merchant() -> Response:
    seeded = merchants.seeded() if config.current().is_sandbox else None
    if seeded is None:
        raise NotFound("There is no test merchant")
    return answer(wire.test_merchant(*seeded))


@open_api.get("/test/jobs/status")
def get_jobs_status() -> Response:
    if not config.current().is_sandbox:
        raise NotFound("There is nothing at this address")
    with reading():
        status = "running" if workers.is_running() else "stopped"
        return answer(workload.status() | {"worker_status": status})
