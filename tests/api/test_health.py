"""Health and the sandbox's open routes."""

from gateway.api import health as health_module
from gateway.core import db, queue
from gateway.core.db import transaction
from gateway.domain import workers
from tests.conftest import Office, Person


def test_health_is_degraded_without_a_worker_and_healthy_with_one(visitor, rows) -> None:
    answer = visitor.get("/health")
    assert answer.status_code == 200
    expected = {"status": "degraded", "database": "connected", "redis": "embedded", "worker": "stopped"}
    assert answer.json | expected == answer.json
    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000001", "payments,refunds,webhooks")
    assert visitor.get("/health").json["status"] == "healthy"
    with transaction():
        workers.leave("00000000-0000-4000-8000-000000000001")
    assert visitor.get("/health").json["worker"] == "stopped"


def test_a_worker_for_one_queue_is_not_the_whole_worker(visitor) -> None:
    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000001", "payments")
    assert visitor.get("/health").json["worker"] == "stopped"
    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000002", "refunds,webhooks")
    assert visitor.get("/health").json["worker"] == "running"


def test_an_old_heartbeat_counts_as_stopped(visitor) -> None:
    from sqlalchemy import update

    from gateway.core.db import session
    from gateway.models import Worker
    from gateway.models.base import seconds_from_now

    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000001", "payments,refunds,webhooks")
    with transaction():
        session().execute(update(Worker).values(beat_at=seconds_from_now(-8)))
    assert visitor.get("/health").json["worker"] == "stopped"


def test_a_database_that_is_away_is_unhealthy(visitor, monkeypatch) -> None:
    from gateway.core.errors import Unavailable

    def away():
        raise Unavailable("away")

    monkeypatch.setattr(health_module, "reading", away)
    answer = visitor.get("/health")
    assert (answer.status_code, answer.json["status"], answer.json["database"]) == (
        503,
        "unhealthy",
        "disconnected",
    )
    assert visitor.get("/health/ready").status_code == 503
    assert visitor.get("/health/live").json == {"status": "alive"}


def test_redis_that_is_away_degrades_and_nothing_more(visitor, monkeypatch) -> None:
    monkeypatch.setattr(queue, "probe", lambda _config: "disconnected")
    answer = visitor.get("/health")
    assert (answer.status_code, answer.json["status"], answer.json["redis"]) == (
        200,
        "degraded",
        "disconnected",
    )
    assert visitor.get("/health/ready").status_code == 200


def test_the_test_merchant_is_shown_in_the_sandbox(visitor) -> None:
    assert visitor.get("/api/v1/test/merchant").json == {
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "email": "test@example.com",
        "api_key": "key_test_abc123",
        "seeded": True,
    }


def test_production_shows_neither_merchant_nor_jobs(visitor, config, monkeypatch) -> None:
    from dataclasses import replace

    from gateway.core import config as settings

    settings.use(replace(config, env="production"))
    for path in ("/api/v1/test/merchant", "/api/v1/test/jobs/status"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND_ERROR")


def test_job_counts_are_true(merchant: Person, visitor, office: Office, wait) -> None:
    def counts(name: str) -> tuple[int, ...]:
        status = visitor.get("/api/v1/test/jobs/status").json
        states = ("pending", "processing", "completed", "failed")
        totals = tuple(status[state] for state in states)
        assert totals == tuple(sum(each[state] for each in status["queues"].values()) for state in states)
        assert status["worker_status"] == "stopped"
        return tuple(status["queues"][name][state] for state in states)

    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay()
    merchant.pay()
    assert counts("payments") == (2, 0, 0, 0)
    wait(2)
    assert visitor.get("/api/v1/test/jobs/status").json["queues"]["payments"]["oldest_due_s"] == 1
    from gateway.domain import payments

    with transaction():
        payments.claim(1)
    assert counts("payments") == (1, 1, 0, 0)
    office.settle()
    assert counts("payments") == (0, 1, 1, 0)
    office.deliver()
    # created and pending of both, success and order.paid of the one that settled
    assert counts("webhooks") == (6, 0, 0, 0)
    for seconds in (6, 11, 16, 21):
        wait(seconds)
        office.deliver()
    assert counts("webhooks")[3] == 6
    assert db.engine() is not None


def test_every_answer_has_a_request_id_of_its_own(visitor, merchant: Person) -> None:
    answers = [
        visitor.get("/health"),
        visitor.get("/nowhere"),
        visitor.post("/health"),
        merchant.get("/webhooks"),
    ]
    ids = {answer.headers["X-Request-Id"] for answer in answers}
    assert len(ids) == len(answers)
    assert answers[1].json["error"]["request_id"] in ids
    assert answers[2].json["error"]["code"] == "METHOD_NOT_ALLOWED"
    assert "GET" in answers[2].headers["Allow"]


def test_a_surprise_leaks_nothing(merchant: Person, monkeypatch, caplog) -> None:
    from gateway.domain import orders

    def broken(*_: object) -> None:
        raise RuntimeError("the inside of the machine")

    monkeypatch.setattr(orders, "get", broken)
    answer = merchant.get("/orders/order_0000000000000000")
    assert (answer.status_code, answer.json["error"]["code"]) == (500, "SERVER_ERROR")
    assert "inside" not in answer.text
    assert answer.headers["X-Request-Id"] in caplog.text
