"""The first events of a payment: nobody waits for them in a request, and nobody hears them twice."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from gateway.core import clock, db
from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.db import reading, session, transaction
from gateway.core.statements import moment
from gateway.domain import announcing, deliveries, endpoints, events, payments, verification
from gateway.jobs.payments import job as payments_job
from gateway.jobs.runner import Runner
from gateway.jobs.webhooks import job as webhooks_job
from gateway.models import Payment
from tests.conftest import Office, Person
from tests.domain.test_settlement import kinds, lose_leases
from tests.scripted import PAID, SILENCE, ScriptedBank

Rows = Callable[..., list[dict[str, Any]]]
Wait = Callable[[float], None]

BEGINNING = ["payment.created", "payment.pending"]
WHOLE = [*BEGINNING, "payment.success", "order.paid"]


def answered_at_once(merchant: Person) -> dict[str, Any]:
    """A payment whose payer's app has acted before anybody has looked; what was answered before."""
    body = {"order_id": merchant.order()["id"], "method": "upi", "flow": "intent"}
    answer = merchant.post("/payments", body)
    payment = dict(answer.json or {})
    with transaction():
        payments.hear(payment["id"], "success@sandbox")
    return payment


def announce() -> None:
    with transaction():
        announcing.announce_new()


def test_a_request_writes_no_event_and_what_is_not_due_is_announced_once(
    merchant: Person, rows: Rows
) -> None:
    payment = merchant.pay()
    assert kinds(rows) == []
    announce()
    announce()
    assert kinds(rows) == BEGINNING
    for event in rows("SELECT data, created_at FROM events"):
        assert orjson.loads(event["data"]) == {"payment": payment}
        assert f"{moment(event['created_at']):%FT%T}" == payment["created_at"][:19]


def test_what_is_due_is_announced_by_whoever_takes_it_to_the_bank(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows
) -> None:
    for _ in range(2):
        merchant.pay()
    wait(1.5)
    office.settle()
    announce()
    told: dict[str, list[str]] = {}
    for event in rows("SELECT payment_id, event FROM events ORDER BY position"):
        told.setdefault(event["payment_id"], []).append(event["event"])
    assert list(told.values()) == [WHOLE, WHOLE]


def test_where_everybody_is_busy_it_does_not_wait_for_them(
    config: Config, merchant: Person, wait: Wait, rows: Rows
) -> None:
    settings.use(replace(config, test_processing_delay_ms=0))
    merchant.pay()
    announce()
    assert kinds(rows) == []
    wait(1.1)
    announce()
    assert kinds(rows) == BEGINNING


def test_a_lease_that_is_lost_announces_nothing_again(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows
) -> None:
    merchant.pay()
    wait(2)
    with transaction():
        assert len(payments.claim(5)) == 1
    assert kinds(rows) == BEGINNING
    lose_leases()
    office.settle()
    assert kinds(rows) == WHOLE


@pytest.mark.parametrize("is_quick", [True, False], ids=["held", "leased"])
def test_a_bank_that_does_not_answer_is_no_new_beginning(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Wait, rows: Rows, is_quick: bool
) -> None:
    bank.is_quick = is_quick
    merchant.pay()
    bank.will_say(SILENCE, SILENCE, PAID)
    for seconds in (2, 3, 6):
        wait(seconds)
        office.settle()
        announce()
    assert kinds(rows) == WHOLE


def test_what_cannot_be_written_is_announced_with_the_next_try(
    merchant: Person, wait: Wait, rows: Rows
) -> None:
    merchant.pay()
    with pytest.raises(ZeroDivisionError), transaction():
        announcing.announce_new()
        raise ZeroDivisionError
    assert kinds(rows) == []
    announce()
    assert kinds(rows) == BEGINNING


def test_an_app_that_answers_before_anybody_has_looked_changes_no_number_of_events(
    merchant: Person, office: Office, rows: Rows
) -> None:
    answered_at_once(merchant)
    office.settle()
    announce()
    assert kinds(rows) == WHOLE


def test_no_payment_is_passed_over_however_many_are_new(
    merchant: Person, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    monkeypatch.setattr(announcing, "BATCH", 2)
    ids = [merchant.pay()["id"] for _ in range(5)]
    for _ in range(3):
        announce()
    told = rows("SELECT payment_id, event FROM events ORDER BY position")
    assert [(row["payment_id"], row["event"]) for row in told] == [
        (payment_id, event) for payment_id in ids for event in BEGINNING
    ]


@pytest.mark.parametrize("is_quick", [True, False], ids=["held", "leased"])
def test_one_round_tells_once_of_what_it_takes_to_the_bank_late(
    merchant: Person, bank: ScriptedBank, wait: Wait, rows: Rows, is_quick: bool
) -> None:
    """By then the other way of announcing would take it, too, and the bank has no final answer."""
    bank.is_quick = is_quick
    bank.will_say(SILENCE)
    merchant.pay()
    wait(3)
    work_one_round("payments", "webhooks")
    assert kinds(rows) == BEGINNING
    assert [row["sequence"] for row in rows("SELECT sequence FROM events ORDER BY position")] == [1, 2]


def test_who_announces_first_does_not_hear_of_it_again(merchant: Person, wait: Wait, rows: Rows) -> None:
    merchant.pay()
    with transaction():
        announcing.announce_new()
        wait(2)
        payments.settle([(claim, PAID) for claim in payments.hold(5)])
    assert kinds(rows) == WHOLE


def test_looks_for_what_a_round_has_made_do_not_put_off_the_look_for_what_is_new(
    config: Config, merchant: Person, rows: Rows
) -> None:
    """Redis may be away, so that nobody has rung for it."""
    settings.use(replace(config, test_processing_delay_ms=60_000))
    runner = Runner([payments_job(), webhooks_job()])
    runner.step()
    new = merchant.pay()
    ends_at = time.monotonic() + 5
    told = "SELECT payment_id FROM events WHERE event = 'payment.created'"
    while new["id"] not in [row["payment_id"] for row in rows(told)]:
        assert time.monotonic() < ends_at
        make_due(merchant.pay()["id"])
        runner.ring("payments")
        runner.step()
        time.sleep(0.05)
    assert len(rows(told)) > 2, "there were others"
    stop(runner)


def make_due(payment_id: str) -> None:
    with transaction():
        is_it = Payment.id == payment_id
        session().execute(update(Payment).where(is_it).values(due_at=clock.now()))


def test_where_there_is_more_to_announce_it_goes_on_at_once(
    merchant: Person, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    monkeypatch.setattr(announcing, "BATCH", 2)
    for _ in range(5):
        merchant.pay()
    runner = Runner([webhooks_job()])
    rounds = 0
    db.queue.answer_at_home("webhooks", lambda: runner.ring("webhooks"))
    runner.ring("webhooks")
    while runner.step() == 0.0 or not rounds:
        rounds += 1
    assert len(kinds(rows)) == 10 and rounds <= 5
    stop(runner)


def test_the_first_events_show_a_payment_as_it_began(merchant: Person, office: Office, rows: Rows) -> None:
    payment = answered_at_once(merchant)
    office.settle()
    created, pending, success, _ = rows("SELECT data FROM events ORDER BY position")
    for event in (created, pending):
        assert orjson.loads(event["data"]) == {"payment": payment}
    assert orjson.loads(success["data"])["payment"]["vpa"] == "success@sandbox"


def test_a_page_that_shows_deliveries_knows_that_more_are_to_come(merchant: Person, rival: Person) -> None:
    merchant.pay()
    with reading():
        assert deliveries.are_under_way(merchant.merchant_id)
        assert not deliveries.are_under_way(rival.merchant_id)
    announce()
    with transaction():
        events.fan_out()
    with reading():
        assert not deliveries.are_under_way(merchant.merchant_id)


def work_one_round(*queues: str) -> None:
    """As a worker does that these queues have rung for."""
    runner = Runner([payments_job(), webhooks_job()])
    for queue in queues:
        runner.ring(queue)
    runner.step()
    stop(runner)


def stop(runner: Runner) -> None:
    runner.stop()
    runner.run()


def test_one_round_of_a_worker_announces_what_is_new_and_sends_it(merchant: Person, rows: Rows) -> None:
    """Long before the payment is due; the request has rung for that."""
    with transaction():
        endpoints.configure(merchant.merchant_id, "test", "http://127.0.0.1:9/nobody")
    rung = rung_by(merchant.pay)
    assert rung == {"payments", "webhooks"}
    work_one_round(*rung)
    assert [row["sequence"] for row in rows("SELECT sequence FROM events ORDER BY position")] == [1, 2]
    assert [row["event"] for row in rows("SELECT event FROM webhook_logs ORDER BY event")] == BEGINNING
    assert rows("SELECT status FROM payments") == [{"status": "pending"}]


def test_what_is_due_at_once_rings_only_for_the_bank(config: Config, merchant: Person) -> None:
    settings.use(replace(config, test_processing_delay_ms=0))
    assert rung_by(merchant.pay) == {"payments"}


def rung_by(act: Callable[[], Any]) -> set[str]:
    rung: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db.queue, "ring", rung.add)
        act()
    return rung


def test_verify_does_not_miss_what_is_not_announced_yet(merchant: Person, wait: Wait) -> None:
    merchant.pay()
    with reading():
        assert verification.complaints() == {}
    announce()
    with reading():
        assert verification.complaints() == {}
