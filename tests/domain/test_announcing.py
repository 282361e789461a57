"""The first events of a payment: nobody waits for them in a request, and nobody hears them twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.core import config as settings
from gateway.core import db
from gateway.core.config import Config
from gateway.core.db import reading, transaction
from gateway.core.statements import moment
from gateway.domain import endpoints, events, payments, verification
from gateway.jobs.payments import job as payments_job
from gateway.jobs.runner import Runner
from gateway.jobs.webhooks import job as webhooks_job
from tests.conftest import Office, Person
from tests.domain.test_settlement import kinds, lose_leases
from tests.scripted import PAID, SILENCE, ScriptedBank

Rows = Callable[..., list[dict[str, Any]]]
Wait = Callable[[float], None]

BEGINNING = ["payment.created", "payment.pending"]
WHOLE = [*BEGINNING, "payment.success", "order.paid"]


def announce() -> None:
    with transaction():
        payments.announce()


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
    assert sorted(kinds(rows)) == sorted(2 * WHOLE)
    first_of_each = [kind for kind in kinds(rows) if kind in (*BEGINNING, "payment.success")]
    assert first_of_each.index("payment.success") >= len(BEGINNING)


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
        payments.announce()
        raise ZeroDivisionError
    assert kinds(rows) == []
    announce()
    assert kinds(rows) == BEGINNING


def test_an_app_that_answers_before_anybody_has_looked_changes_no_number_of_events(
    merchant: Person, office: Office, rows: Rows
) -> None:
    body = {"order_id": merchant.order()["id"], "method": "upi", "flow": "intent"}
    payment = merchant.post("/payments", body).json
    assert payment is not None
    with transaction():
        payments.hear(payment["id"], "success@sandbox")
    office.settle()
    announce()
    assert kinds(rows) == WHOLE


def test_no_payment_is_passed_over_however_many_are_new(
    merchant: Person, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    monkeypatch.setattr(events, "FAN_OUT_BATCH", 2)
    ids = [merchant.pay()["id"] for _ in range(5)]
    for _ in range(3):
        announce()
    told = rows("SELECT payment_id, event FROM events ORDER BY position")
    assert [(row["payment_id"], row["event"]) for row in told] == [
        (payment_id, event) for payment_id in ids for event in BEGINNING
    ]


def test_one_round_of_a_worker_announces_what_is_new_and_sends_it(merchant: Person, rows: Rows) -> None:
    """Long before the payment is due; the request has rung for that."""
    with transaction():
        endpoints.configure(merchant.merchant_id, "test", "http://127.0.0.1:9/nobody")
    runner = Runner([payments_job(), webhooks_job()])
    rung = rung_by(merchant.pay)
    assert rung == {"payments", "webhooks"}
    for queue in rung:
        runner.ring(queue)
    runner.step()
    assert [row["sequence"] for row in rows("SELECT sequence FROM events ORDER BY position")] == [1, 2]
    assert [row["event"] for row in rows("SELECT event FROM webhook_logs ORDER BY event")] == BEGINNING
    assert rows("SELECT status FROM payments") == [{"status": "pending"}]
    runner.stop()
    runner.run()


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
