"""Events on their way to endpoints: sequence, schedule, retries."""

import json
from datetime import datetime
from itertools import pairwise

import pytest
from sqlalchemy import update

from gateway.core.db import session, transaction
from gateway.core.errors import BadRequest
from gateway.core.sending import Receipt
from gateway.domain import deliveries, dispatch, endpoints, events
from gateway.models import Delivery, Endpoint
from gateway.models.base import seconds_from_now
from tests.conftest import Person, some_payment

THANKS = Receipt("success", 12, response_code=200, response_body="OK")
TROUBLE = Receipt("refused", 12, response_code=500, response_body="oh no")
SILENCE = Receipt("timeout", 5000, error="No answer within 5 s")
GONE = Receipt("refused", 3, response_code=410)


@pytest.fixture
def shop(merchant: Person) -> str:
    """The merchant's endpoint, which nobody really calls."""
    with transaction():
        return endpoints.configure(merchant.merchant_id, "test", "http://shop.example/hook").id


def happen(merchant_id: str, event: str = "payment.success", **more: str) -> None:
    with transaction():
        events.emit(merchant_id, event, some_payment(), **more)


def hand_out() -> int:
    with transaction():
        return events.fan_out()


def claim(
    limit: int = 100, busy: dict[str, int] | None = None, per_endpoint: int = 100
) -> list[dispatch.Claim]:
    with transaction():
        return dispatch.claim(limit, busy or {}, per_endpoint)


def record(claims: list[dispatch.Claim], receipt: Receipt) -> None:
    with transaction():
        dispatch.record([(each, receipt) for each in claims])


def only(rows, table: str = "webhook_logs") -> dict:
    (row,) = rows(f"SELECT * FROM {table}")
    return row


def test_events_are_numbered_without_gap_or_twin_for_each_merchant(merchant, rival, shop, rows) -> None:
    for turn in range(7):
        happen(merchant.merchant_id)
        if turn % 2:
            happen(rival.merchant_id)
        if turn % 3 == 0:
            hand_out()
    hand_out()
    numbered = rows("SELECT merchant_id, sequence FROM events ORDER BY position")
    for person, count in ((merchant, 7), (rival, 3)):
        own = [row["sequence"] for row in numbered if str(row["merchant_id"]) == person.merchant_id]
        assert own == list(range(1, count + 1))


def test_what_happens_in_the_unit_that_hands_out_comes_last_and_goes_with_it(merchant, shop, rows) -> None:
    happen(merchant.merchant_id, "payment.created")
    with transaction():
        events.emit(merchant.merchant_id, "payment.success", some_payment())
        assert events.fan_out() == 2
    numbered = rows("SELECT event, sequence FROM events ORDER BY sequence")
    assert [tuple(row.values()) for row in numbered] == [("payment.created", 1), ("payment.success", 2)]
    bodies = [json.loads(row["payload"]) for row in rows("SELECT payload FROM webhook_logs")]
    assert sorted((body["sequence"], body["event"]) for body in bodies) == [
        (1, "payment.created"),
        (2, "payment.success"),
    ]


def test_nothing_overtakes_what_waits(merchant, shop, rows, monkeypatch) -> None:
    monkeypatch.setattr(events, "FAN_OUT_BATCH", 2)
    for event in ("payment.created", "payment.pending", "payment.created"):
        happen(merchant.merchant_id, event)
    with transaction():
        events.emit(merchant.merchant_id, "payment.success", some_payment())
        assert events.fan_out() == 2
    assert hand_out() == 2
    numbered = [row["event"] for row in rows("SELECT event FROM events ORDER BY sequence")]
    assert numbered == ["payment.created", "payment.pending", "payment.created", "payment.success"]


def test_without_an_endpoint_there_is_no_log_row_and_the_event_stays(merchant, rows) -> None:
    happen(merchant.merchant_id)
    assert hand_out() == 1
    assert rows("SELECT * FROM webhook_logs") == []
    assert only(rows, "events")["sequence"] == 1


def test_the_body_is_frozen_once_and_signed_as_it_is(merchant, shop, rows) -> None:
    payment = some_payment()
    with transaction():
        events.emit(merchant.merchant_id, "payment.success", payment)
    hand_out()
    row = only(rows)
    body = json.loads(row["payload"])
    assert list(body) == ["event", "timestamp", "data", "id", "sequence"]
    assert body["data"] == {"payment": payment}
    assert json.dumps(body, separators=(",", ":"), ensure_ascii=False) == row["payload"]
    (each,) = claim()
    assert each.body.decode() == row["payload"]
    headers = each.headers()
    assert headers["webhook-id"] == body["id"]
    assert headers["X-Webhook-Event"] == "payment.success"


def test_an_endpoint_hears_only_what_it_wants(merchant, shop, rows) -> None:
    with transaction():
        session().execute(update(Endpoint).where(Endpoint.id == shop).values(events=["payment.failed"]))
    happen(merchant.merchant_id, "payment.success")
    happen(merchant.merchant_id, "payment.failed")
    hand_out()
    assert only(rows)["event"] == "payment.failed"


def test_each_endpoint_gets_its_own_delivery_with_the_same_bytes(merchant, shop, rows) -> None:
    from gateway.core import clock, crypto

    now = clock.now()
    with transaction():
        session().add(
            Endpoint(
                id="we_second", merchant_id=merchant.merchant_id, url="http://second.example",
                secret_encrypted=crypto.encrypt("whsec_second"), created_at=now, updated_at=now,
            )
        )  # fmt: skip
    happen(merchant.merchant_id)
    hand_out()
    both = rows("SELECT * FROM webhook_logs")
    assert len(both) == 2
    assert len({row["payload"] for row in both}) == 1
    signatures = {each.headers()["X-Webhook-Signature"] for each in claim()}
    assert len(signatures) == 2


def test_the_schedule_is_five_attempts_measured_from_the_end_of_the_last(merchant, shop, rows, wait) -> None:
    happen(merchant.merchant_id)
    hand_out()
    for number, gap in enumerate((0, 5, 10, 15, 20), 1):
        if gap:
            wait(gap - 0.5)
            assert claim() == []
            wait(0.6)
        claims = claim()
        assert [each.number for each in claims] == [number]
        wait(3)  # the attempt itself takes three seconds
        record(claims, TROUBLE if number % 2 else SILENCE)
        row = only(rows)
        assert (row["status"], row["attempts"]) == ("failed" if number == 5 else "pending", number)
        assert (row["next_retry_at"] is None) == (number == 5)
        assert row["response_code"] == (500 if number % 2 else None)
    wait(100_000)
    assert claim() == []
    attempts = rows("SELECT number, outcome FROM delivery_attempts ORDER BY started_at")
    assert [(row["number"], row["outcome"]) for row in attempts] == [
        (1, "refused"), (2, "timeout"), (3, "refused"), (4, "timeout"), (5, "refused")
    ]  # fmt: skip


def test_the_production_schedule_is_in_the_row(merchant, shop, rows, wait, config) -> None:
    from dataclasses import replace

    from gateway.core import config as settings

    settings.use(replace(config, webhook_retry_intervals_s=(0, 60, 300, 1800, 7200)))
    happen(merchant.merchant_id)
    hand_out()
    for gap in (60, 300, 1800, 7200):
        record(claim(), TROUBLE)
        row = only(rows)
        due, last = (datetime.fromisoformat(str(row[name])) for name in ("next_retry_at", "last_attempt_at"))
        assert (due - last).total_seconds() == pytest.approx(gap, abs=1)
        wait(gap + 1)
    record(claim(), TROUBLE)
    assert only(rows)["status"] == "failed"


def test_a_success_ends_it(merchant, shop, rows, wait) -> None:
    happen(merchant.merchant_id)
    hand_out()
    record(claim(), TROUBLE)
    wait(6)
    record(claim(), THANKS)
    row = only(rows)
    assert (row["status"], row["attempts"], row["next_retry_at"]) == ("success", 2, None)
    assert (row["response_code"], row["response_body"]) == (200, "OK")


@pytest.mark.parametrize(("asked", "wait_s"), [(2, 5), (600, 600), (10**8, 86400)])
def test_retry_after_lengthens_the_wait_within_a_day(merchant, shop, rows, asked: int, wait_s: int) -> None:
    happen(merchant.merchant_id)
    hand_out()
    record(claim(), Receipt("refused", 1, response_code=503, retry_after_s=asked))
    row = only(rows)
    due, last = (datetime.fromisoformat(str(row[name])) for name in ("next_retry_at", "last_attempt_at"))
    assert (due - last).total_seconds() == pytest.approx(wait_s, abs=1)


def test_gone_disables_the_endpoint_and_saving_an_address_mends_it(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    happen(merchant.merchant_id)
    hand_out()
    record(claim(limit=1), GONE)
    endpoint = rows("SELECT * FROM webhook_endpoints WHERE url IS NOT NULL")[0]
    assert not endpoint["is_enabled"]
    assert "410" in endpoint["disabled_reason"]
    assert claim() == []
    assert {row["status"] for row in rows("SELECT status FROM webhook_logs")} == {"failed"}
    happen(merchant.merchant_id)
    hand_out()
    assert len(rows("SELECT * FROM webhook_logs")) == 2
    with transaction():
        endpoints.configure(merchant.merchant_id, "test", "http://shop.example/new")
    merchant.post(f"/webhooks/{rows('SELECT id FROM webhook_logs')[0]['id']}/retry")
    assert [each.url for each in claim()] == ["http://shop.example/new"]


def test_a_retry_by_hand_begins_a_new_series(merchant, shop, rows, wait) -> None:
    happen(merchant.merchant_id)
    hand_out()
    for _ in range(5):
        record(claim(), TROUBLE)
        wait(60 * 60)
        wait(60 * 60)
    failed = only(rows)
    assert failed["status"] == "failed"
    answer = merchant.post(f"/webhooks/{failed['id']}/retry")
    assert answer.json == {"id": str(failed["id"]), "status": "pending", "message": "Webhook retry scheduled"}
    row = only(rows)
    assert (row["status"], row["attempts"]) == ("pending", 0)
    claims = claim()
    assert [each.number for each in claims] == [1]
    record(claims, THANKS)
    assert (only(rows)["status"], only(rows)["attempts"]) == ("success", 1)


def test_a_delivered_one_may_be_sent_again(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    hand_out()
    record(claim(), THANKS)
    merchant.post(f"/webhooks/{only(rows)['id']}/retry")
    (again,) = claim()
    record([again], THANKS)
    assert only(rows)["status"] == "success"
    assert len(rows("SELECT * FROM delivery_attempts")) == 2


@pytest.mark.parametrize(("receipt", "status"), [(THANKS, "success"), (TROUBLE, "pending")])
def test_a_retry_while_an_attempt_is_under_way_does_not_send_twice(
    merchant, shop, rows, receipt, status
) -> None:
    happen(merchant.merchant_id)
    hand_out()
    under_way = claim()
    merchant.post(f"/webhooks/{only(rows)['id']}/retry")
    assert only(rows)["attempts"] == 0
    assert claim() == []
    record(under_way, receipt)
    row = only(rows)
    assert (row["status"], row["attempts"]) == (status, 1)
    assert claim() == []


def test_an_interrupted_attempt_is_repeated_under_its_own_number(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    hand_out()
    killed = claim()
    with transaction():
        session().execute(update(Delivery).values(lease_until=seconds_from_now(-1)))
    restarted = claim()
    assert [each.number for each in restarted] == [1]
    record(restarted, THANKS)
    record(killed, TROUBLE)
    assert only(rows)["status"] == "success"
    outcomes = [row["outcome"] for row in rows("SELECT outcome FROM delivery_attempts ORDER BY started_at")]
    assert outcomes == ["interrupted", "success"]


def test_a_full_endpoint_does_not_hold_up_the_others(merchant, rival, shop) -> None:
    with transaction():
        other = endpoints.configure(rival.merchant_id, "test", "http://rival.example").id
    for _ in range(10):
        happen(merchant.merchant_id)
    happen(rival.merchant_id)
    hand_out()
    assert len(claim(per_endpoint=3)) in (3, 4)
    assert [each.endpoint_id for each in claim(busy={shop: 3}, per_endpoint=3)] in ([other], [])


def test_a_test_event_goes_to_the_default_endpoint_only(merchant, shop, rows) -> None:
    merchant.post("/webhooks/test")
    hand_out()
    row = only(rows)
    assert (row["event"], row["endpoint_id"]) == ("webhook.test", shop)
    assert json.loads(row["payload"])["data"]["payment"]["id"].startswith("pay_")


def test_two_equal_events_have_a_row_each(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    happen(merchant.merchant_id)
    hand_out()
    first, second = rows("SELECT id, event_id FROM webhook_logs")
    assert first["id"] != second["id"] and first["event_id"] != second["event_id"]


def test_sequences_of_deliveries_rise(merchant, shop, rows) -> None:
    for _ in range(20):
        happen(merchant.merchant_id)
    hand_out()
    bodies = [json.loads(row["payload"]) for row in rows("SELECT payload FROM webhook_logs")]
    numbers = sorted(body["sequence"] for body in bodies)
    assert all(after - before == 1 for before, after in pairwise(numbers))


def fail(merchant_id: str, *names: str) -> None:
    """Deliveries of these events that have failed for good."""
    for name in names:
        happen(merchant_id, name)
    hand_out()
    record(claim(), GONE)
    with transaction():
        session().execute(update(Endpoint).values(is_enabled=True))


def test_all_failed_deliveries_are_retried_and_nothing_else(merchant, rival, shop, rows) -> None:
    with transaction():
        endpoints.configure(rival.merchant_id, "test", "http://rival.example/hook")
    fail(rival.merchant_id, "payment.failed")
    fail(merchant.merchant_id, "payment.success", "payment.failed", "payment.failed")
    happen(merchant.merchant_id, "payment.failed")
    hand_out()
    record(claim(), THANKS)
    with transaction():
        assert deliveries.count_failed(merchant.merchant_id) == 3
        assert deliveries.count_failed(merchant.merchant_id, "payment.failed") == 2
        assert not deliveries.are_under_way(merchant.merchant_id)
        assert deliveries.retry_failed(merchant.merchant_id, "asha", "payment.failed") == 2
    with transaction():
        assert deliveries.are_under_way(merchant.merchant_id)
        assert not deliveries.are_under_way(rival.merchant_id)
        assert deliveries.count_failed(merchant.merchant_id) == 1
    assert len(claim()) == 2
    (line,) = rows("SELECT actor, subject FROM audit_log WHERE act = 'webhook.retried_failed'")
    assert dict(line) == {"actor": "asha", "subject": "2 of payment.failed"}


def test_a_retry_of_all_failed_takes_so_many_at_once_oldest_first(merchant, shop, rows, monkeypatch) -> None:
    monkeypatch.setattr(deliveries, "RETRIED_AT_ONCE", 2)
    fail(merchant.merchant_id, *["payment.failed"] * 3)
    oldest = [row["id"] for row in rows("SELECT id FROM webhook_logs ORDER BY created_at, id")]
    for expected in (2, 1, 0):
        with transaction():
            assert deliveries.count_failed(merchant.merchant_id) == expected
            assert deliveries.retry_failed(merchant.merchant_id, "asha") == expected
        if expected == 2:
            still = rows("SELECT id FROM webhook_logs WHERE status = 'failed'")
            assert [row["id"] for row in still] == oldest[2:]
    assert len(rows("SELECT * FROM audit_log WHERE act = 'webhook.retried_failed'")) == 2


def test_an_event_that_waits_for_its_deliveries_is_under_way(merchant, shop) -> None:
    with transaction():
        assert not deliveries.are_under_way(merchant.merchant_id)
    happen(merchant.merchant_id)
    with transaction():
        assert deliveries.are_under_way(merchant.merchant_id)


def test_a_test_of_a_disabled_endpoint_says_how_to_enable_it(merchant, shop) -> None:
    fail(merchant.merchant_id, "payment.failed")
    with transaction():
        session().execute(update(Endpoint).values(is_enabled=False))
    with (
        pytest.raises(BadRequest, match="The receiver answered 410 Gone; save the address again"),
        transaction(),
    ):
        deliveries.send_test(merchant.merchant_id, "asha")


def test_what_is_new_begins_without_a_look_at_what_is_due(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    hand_out()
    happen(merchant.merchant_id, "order.paid")
    with transaction():
        begun = dispatch.claim_new(100, {}, 100)
    assert [each.event for each in begun] == ["order.paid"]
    assert [row["event"] for row in rows("SELECT event FROM webhook_logs WHERE lease_token IS NULL")] == [
        "payment.success"
    ]
    assert [each.event for each in claim()] == ["payment.success"]


def test_what_is_new_waits_where_there_is_no_room(merchant, shop, rows) -> None:
    happen(merchant.merchant_id)
    with transaction():
        assert dispatch.claim_new(100, {shop: 2}, 2) == []
    assert only(rows)["status"] == "pending"
    assert len(claim()) == 1
