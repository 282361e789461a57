"""How long requests wait for workers that are behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.core import clock
from gateway.core.db import session, transaction
from gateway.core.errors import Unavailable
from gateway.core.lookups import COMPANY_S
from gateway.domain import backlog, payments, workers
from gateway.domain.backlog import MOST_S, USUAL_S
from gateway.models import Payment
from tests.conftest import Person


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause asks the database anew."""
    monkeypatch.setattr(backlog, "ASK_EVERY_S", 0.0)


@pytest.fixture
def worker(config: Any) -> str:
    worker_id = workers.new_id()
    with transaction():
        workers.beat(worker_id, "payments,refunds,webhooks")
    return worker_id


@pytest.fixture
def overdue(merchant: Person) -> Callable[[float], None]:
    """Makes a payment that has been due for so many seconds."""

    def make(seconds: float) -> None:
        payment = merchant.pay()
        due_at = clock.now() - timedelta(seconds=seconds)
        with transaction():
            session().execute(update(Payment).where(Payment.id == payment["id"]).values(due_at=due_at))

    return make


Overdue = Callable[[float], None]


def test_workers_that_keep_up_cost_nobody_any_time(worker: str, overdue: Overdue) -> None:
    assert (backlog.pause_s(False), backlog.pause_s(True)) == (COMPANY_S, 0.0)
    overdue(-60)
    assert (backlog.pause_s(False), backlog.pause_s(True)) == (COMPANY_S, 0.0)


def test_the_longer_a_payment_waits_the_longer_do_requests(worker: str, overdue: Overdue) -> None:
    overdue(USUAL_S + 0.005)
    assert COMPANY_S + 0.01 <= backlog.pause_s(False) <= MOST_S
    assert 0.01 <= backlog.pause_s(True) <= MOST_S
    overdue(60)
    assert (backlog.pause_s(False), backlog.pause_s(True)) == (MOST_S, MOST_S)


def test_a_payment_in_a_workers_hands_does_not_count(worker: str, overdue: Overdue) -> None:
    overdue(60)
    with transaction():
        payments.claim(1)
    assert backlog.pause_s(False) == COMPANY_S


def test_without_a_worker_nobody_waits(overdue: Overdue, wait: Callable[[float], None]) -> None:
    overdue(60)
    assert backlog.pause_s(False) == COMPANY_S
    assert backlog.pause_s(True) == 0.0
    with transaction():
        workers.beat(workers.new_id(), "webhooks")
    assert backlog.pause_s(False) == COMPANY_S
    with transaction():
        workers.beat(workers.new_id(), "payments")
    assert backlog.pause_s(False) == MOST_S
    wait(workers.STALE_AFTER_S + 1)
    assert backlog.pause_s(False) == COMPANY_S


def test_a_database_that_is_away_is_for_others_to_tell(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("away")

    monkeypatch.setattr(backlog, "ask", away)
    assert backlog.pause_s(False) == 0.0


def test_one_answer_serves_for_a_while(
    worker: str, overdue: Overdue, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue(60)
    assert backlog.pause_s(False) == MOST_S
    with transaction():
        payments.claim(1)
    monkeypatch.setattr(backlog, "ASK_EVERY_S", 60.0)
    assert (backlog.pause_s(False), backlog.pause_s(True)) == (MOST_S, MOST_S)
    monkeypatch.setattr(backlog, "ASK_EVERY_S", 0.0)
    assert backlog.pause_s(False) == COMPANY_S
