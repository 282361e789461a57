"""The jobs page: one's own rows, everybody's workers, and what waits for a human."""

import re
from typing import Any

import pytest
from sqlalchemy import update

from gateway.core.db import reading, session, transaction
from gateway.domain import workers, workload
from gateway.models import Payment, Refund
from tests.conftest import Office, Person
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/jobs"


def totals(page: Any) -> dict[str, int]:
    found = re.findall(r'data-test-id="jobs-(\w+)">([\d,]+)<', page.text)
    return {state: int(count) for state, count in found}


def test_it_counts_ones_own_rows_only(
    visit: Visit, rival_visit: Visit, merchant: Person, rival: Person, office: Office, wait: Any
) -> None:
    rival.pay()
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    merchant.pay(vpa="declined@sandbox")
    wait(2)
    office.settle()
    merchant.pay()
    assert totals(visit.get(PAGE)) == {"pending": 1, "processing": 0, "completed": 1, "failed": 0}
    assert totals(rival_visit.get(PAGE)) == {"pending": 0, "processing": 0, "completed": 1, "failed": 0}
    office.deliver()
    # payment.created, .pending and .failed of the first and two of the second: each had one attempt.
    assert totals(visit.get(PAGE))["pending"] == 6


def test_its_counts_are_those_that_count_everything(
    merchant: Person, office: Office, wait: Any, rows: Any
) -> None:
    """Nobody else is here, so one merchant's counts are all there is to count."""
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/"})
    for vpa in ("asha@upi", "declined@sandbox", "norefund@sandbox", "silent@sandbox"):
        payment = merchant.pay(vpa=vpa)
    wait(2)
    office.settle()
    for payment in merchant.get("/payments?status=success").json["data"]:
        merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 100})
    wait(6)
    office.refund()
    office.deliver()
    with transaction():
        session().execute(
            update(Payment).where(Payment.status == "pending").values(flagged="Nobody knows", due_at=None)
        )
    merchant.pay()
    with reading():
        assert workload.of(merchant.merchant_id) == workload.status()["queues"]
        assert workload.of(merchant.merchant_id)["payments"]["failed"] == 1


def test_what_waits_for_a_human_is_told_with_its_reason(
    visit: Visit, rival_visit: Visit, merchant: Person, office: Office, wait: Any
) -> None:
    paid = merchant.pay()
    wait(2)
    office.settle()
    silent = merchant.pay(vpa="silent@sandbox")
    refund = merchant.post(f"/payments/{paid['id']}/refunds", {"amount": 12345}).json
    with transaction():
        for model, row in ((Payment, silent), (Refund, refund)):
            session().execute(update(model).where(model.id == row["id"]).values(flagged="No <answer>"))
    page = visit.get(PAGE)
    assert page.text.count('data-test-id="flagged"') == 2
    assert "No &lt;answer&gt;" in page.text and "₹123.45" in page.text
    assert f'href="/dashboard/transactions/{paid["id"]}"><code>{refund["id"]}' in page.text
    assert "Nothing waits for you" in rival_visit.get(PAGE).text


def test_workers_are_shown_while_their_hearts_beat(visit: Visit) -> None:
    assert 'data-test-id="worker-stopped"' in visit.get(PAGE).text
    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000001", "payments,refunds")
    page = visit.get(PAGE)
    assert "payments, refunds" in page.text and 'data-test-id="worker-stopped"' in page.text
    with transaction():
        workers.beat("00000000-0000-4000-8000-000000000002", "webhooks")
    page = visit.get(PAGE)
    assert 'data-test-id="worker-stopped"' not in page.text
    assert page.text.count('data-test-id="worker"') == 2


def test_it_is_asked_for_again_and_sent_only_when_it_has_changed(visit: Visit, merchant: Person) -> None:
    live = visit.get(f"{PAGE}/live")
    assert 'id="jobs"' in live.text and "<html" not in live.text
    again = {"If-None-Match": live.headers["ETag"]}
    assert visit.get(f"{PAGE}/live", headers=again).status_code == 304
    merchant.pay()
    assert visit.get(f"{PAGE}/live", headers=again).status_code == 200


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_everybody_may_look(as_role: Any, role: str) -> None:
    assert as_role(role).get(PAGE).status_code == 200
