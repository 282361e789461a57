"""Events numbered by several workers at once, while more of them happen."""

import json
import time
from collections.abc import Callable

import pytest

from gateway.core.db import reading, session, transaction
from gateway.domain import announcing, endpoints, events, payments, wire
from gateway.models import EventCounter
from tests.conftest import some_payment
from tests.races.crowd import PATIENCE_S, Crowd
from tests.scripted import PAID

WAITING = 1000
MORE = 100
# Small, so that workers meet over every one of them.
BATCH = 40


def emit(merchant_ids: list[str], count: int, name: str) -> None:
    """Let things happen one after the other, each in a transaction of its own."""
    for number in range(count):
        with transaction():
            payment = wire.sample_payment() | {"id": f"{name}-{number:04}"}
            events.emit(merchant_ids[number % len(merchant_ids)], "payment.success", payment)


def hand_out(total: int) -> int:
    """Like a worker, until nothing is left of so many; returns how many it took itself."""
    taken, ends_at = 0, time.monotonic() + PATIENCE_S
    events.FAN_OUT_BATCH, usual = BATCH, events.FAN_OUT_BATCH
    try:
        while time.monotonic() < ends_at and count_numbered() < total:
            with transaction():
                count = events.fan_out()
            assert count <= BATCH
            taken += count
    finally:
        events.FAN_OUT_BATCH = usual
    return taken


def count_numbered() -> int:
    with reading():
        return sum(counter.last_sequence for counter in session().query(EventCounter))


@pytest.fixture
def three(settle_in: Callable[[], str]) -> list[str]:
    """Three merchants, of whom the last has nowhere to send webhooks to."""
    merchant_ids = [settle_in() for _ in range(3)]
    for merchant_id in merchant_ids[:2]:
        with transaction():
            endpoints.configure(merchant_id, "test", "http://shop.example/hook")
    return merchant_ids


def test_four_workers_number_a_thousand_events_while_more_happen(
    crowd: Crowd, three: list[str], audit, rows
) -> None:
    with transaction():
        for number in range(WAITING):
            events.emit(three[number % 3], "payment.success", some_payment())
    total = WAITING + 4 * MORE
    tellers = [(emit, three, MORE, f"teller-{number}") for number in range(4)]
    taken = crowd.do(*[(hand_out, total)] * 4, *tellers)
    assert sum(taken[:4]) == total
    found = rows("SELECT * FROM events ORDER BY sequence")
    for merchant_id in three:
        own = [row["sequence"] for row in found if str(row["merchant_id"]) == merchant_id]
        assert own == list(range(1, len(own) + 1))
    assert_told_in_order(found)
    assert_delivered_once(rows, found, three[:2])
    audit()


def assert_told_in_order(found: list[dict]) -> None:
    """What one teller saw happen one after the other has its sequences in that order."""
    last: dict[tuple[str, str], str] = {}
    for row in found:
        teller, _, number = row["payment_id"].rpartition("-")
        if teller:
            about = (teller, str(row["merchant_id"]))
            assert last.get(about, "") < number
            last[about] = number


def assert_delivered_once(rows, found: list[dict], merchant_ids: list[str]) -> None:
    sequences = {row["id"]: row["sequence"] for row in found if str(row["merchant_id"]) in merchant_ids}
    deliveries = rows("SELECT * FROM webhook_logs")
    assert sorted(row["event_id"] for row in deliveries) == sorted(sequences)
    bodies = [json.loads(row["payload"]) for row in deliveries]
    assert {body["id"]: body["sequence"] for body in bodies} == sequences


def test_a_merchants_first_events_are_numbered_by_everybody(crowd: Crowd, settle_in, audit, rows) -> None:
    """Where there is no counter yet, several workers may want to begin one."""
    for _ in range(10):
        merchant_id = settle_in()
        crowd.all_do(emit_and_hand_out, merchant_id)
        found = rows("SELECT sequence FROM events WHERE merchant_id = :id ORDER BY sequence", id=merchant_id)
        assert [row["sequence"] for row in found] == list(range(1, 3 * crowd.size + 1))
    audit()


def test_payments_that_are_announced_while_they_are_settled_are_told_of_once_and_in_order(
    crowd: Crowd, pay, audit, rows
) -> None:
    """Some workers look for what is new, the others for what is due; it is the same."""
    ids = [payment_id for _ in range(100) for payment_id in pay(payers=1)]
    time.sleep(1)  # then whoever comes first may announce them
    total = 4 * len(ids)
    crowd.do(*[(announce_and_hand_out, total)] * 3, *[(settle_and_hand_out, total)] * 3)
    told: dict[str, list[str]] = {payment_id: [] for payment_id in ids}
    for row in rows("SELECT * FROM events ORDER BY sequence"):
        told[row["payment_id"]].append(row["event"])
    assert set(map(tuple, told.values())) == {
        ("payment.created", "payment.pending", "payment.success", "order.paid")
    }
    audit()


def announce_and_hand_out(total: int) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at and count_numbered() < total:
        with transaction():
            announcing.announce_new()
            events.fan_out()


def settle_and_hand_out(total: int) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at and count_numbered() < total:
        with transaction():
            payments.settle([(claim, PAID) for claim in payments.hold(5)])
            events.fan_out()


def emit_and_hand_out(merchant_id: str) -> None:
    for _ in range(3):
        with transaction():
            events.emit(merchant_id, "payment.success", some_payment())
        with transaction():
            events.fan_out()
