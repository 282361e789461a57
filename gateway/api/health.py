"""Is it alive, is it ready, is it well? Each part is really asked."""

from flask import Blueprint, Response
from sqlalchemy import text

from gateway.api.answers import answer
from gateway.core import clock, config, queue
from gateway.core.db import reading, session
from gateway.core.errors import Unavailable
from gateway.domain import workers

health = Blueprint("health", __name__, url_prefix="/health")


@health.get("")
def get_health() -> Response:
    """200 while payments are taken, 503 when the database is away."""
    redis = queue.probe(config.current())
    database, worker = _probe_database()
    if database == "disconnected":
        status, code = "unhealthy", 503
    else:
        is_well = redis != "disconnected" and worker == "running"
        status, code = "healthy" if is_well else "degraded", 200
    parts = {"database": database, "redis": redis, "worker": worker}
    return answer({"status": status, **parts, "timestamp": clock.iso(clock.now())}, code)


@health.get("/live")
def get_liveness() -> Response:
    """This process answers; nothing else is asked."""
    return answer({"status": "alive"})


@health.get("/ready")
def get_readiness() -> Response:
    """Payments can be taken: the database is there."""
    database, _ = _probe_database()
    return answer({"status": "ready"}) if database == "connected" else answer({"status": "unready"}, 503)


def _probe_database() -> tuple[str, str]:
    try:
        with reading():
            session().execute(text("SELECT 1"))
            return "connected", "running" if workers.is_running() else "stopped"
    except Unavailable:
        return "disconnected", "stopped"
