"""Deliveries claimed by several workers, and retried by hand in the midst of it."""

import random
import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from gateway.core.db import reading, session, transaction
from gateway.core.sending import Receipt
from gateway.domain import deliveries, dispatch, endpoints, events
from gateway.models import Delivery
from tests.conftest import some_payment
from tests.races.crowd import Clerk, Crowd, at_once

THANKS = Receipt("success", 1, response_code=200)
TROUBLE = Receipt("refused", 1, response_code=500)
GONE = Receipt("refused", 1, response_code=410)
# Many in one batch: a retry may come between the first and the last of what is written about them.
HAMMERED, BATCH = 100, 50
HAMMER_S = 2.0
# As many as the settings of these tests have intervals.
ATTEMPTS = 5


@dataclass(frozen=True)
class Sent:
    """One attempt: a webhook was on its way from then to then, and was recorded by then."""

    delivery_id: str
    began_at: float
    ended_at: float
    recorded_at: float


def happen(merchant_id: str, count: int) -> list[str]:
    """Let so many deliveries fall due and return their ids."""
    with transaction():
        for _ in range(count):
            events.emit(merchant_id, "payment.success", some_payment())
    with transaction():
        assert events.fan_out() == count
    with reading():
        return [delivery.id for delivery in session().query(Delivery)]


def claim(limit: int) -> list[dispatch.Claim]:
    with transaction():
        return dispatch.claim(limit, {}, limit)


def record(results: list[tuple[dispatch.Claim, Receipt]]) -> None:
    with transaction():
        dispatch.record(results)


def deliver_what_is_due(batch: int) -> list[str]:
    """Like a worker; returns what it had claimed."""
    sent = []
    while claims := claim(batch):
        assert len(claims) <= batch
        sent += [each.delivery_id for each in claims]
        record([(each, THANKS) for each in claims])
    return sent


def deliver_for(seconds: float, luck: int) -> list[Sent]:
    """Like a worker whose receivers take their time and fail; goes on while anything is due."""
    chance, ends_at = random.Random(luck), time.monotonic() + seconds
    sent: list[Sent] = []
    while (claims := claim(BATCH)) or time.monotonic() < ends_at:
        began_at = time.monotonic()
        time.sleep(chance.random() / 50)
        ended_at = time.monotonic()
        record([(each, TROUBLE) for each in claims])
        sent += [Sent(each.delivery_id, began_at, ended_at, time.monotonic()) for each in claims]
    return sent


def retry_for(seconds: float, luck: int, merchant_id: str, delivery_ids: list[str]) -> dict[str, float]:
    """Retry one or other by hand, over and over; when each was retried last."""
    chance, ends_at = random.Random(luck), time.monotonic() + seconds
    last = {}
    while time.monotonic() < ends_at:
        delivery_id = chance.choice(delivery_ids)
        last[delivery_id] = time.monotonic()
        with transaction():
            deliveries.retry(merchant_id, "test", delivery_id)
        time.sleep(chance.random() / 500)
    return last


def test_four_workers_claim_each_delivery_once(crowd: Crowd, merchant_id: str, shop: str, rows) -> None:
    ids = happen(merchant_id, 400)
    sent = crowd.all_do(deliver_what_is_due, 7, members=4)
    assert sorted(delivery_id for own in sent for delivery_id in own) == sorted(ids)
    assert {(row["status"], row["attempts"]) for row in rows("SELECT * FROM webhook_logs")} == {
        ("success", 1)
    }
    assert {row["outcome"] for row in rows("SELECT * FROM delivery_attempts")} == {"success"}
    assert len(rows("SELECT * FROM delivery_attempts")) == len(ids)


def test_retrying_by_hand_sends_nothing_twice_at_a_time_and_loses_nothing(
    crowd: Crowd, merchant_id: str, shop: str, rows
) -> None:
    ids = happen(merchant_id, HAMMERED)
    workers = [(deliver_for, HAMMER_S, luck) for luck in range(4)]
    hands = [(retry_for, HAMMER_S, luck, merchant_id, ids) for luck in range(4)]
    found = crowd.do(*workers, *hands)
    # A hand may have been the last to do anything.
    sent = [each for own in found[:4] for each in own] + deliver_for(0, luck=4)
    last_retry_at = {delivery_id: max(own.get(delivery_id, 0.0) for own in found[4:]) for delivery_id in ids}
    for delivery_id in ids:
        own = sorted(
            (each for each in sent if each.delivery_id == delivery_id), key=lambda each: each.began_at
        )
        assert all(after.began_at >= before.ended_at for before, after in pairwise(own))
        # One that was under way when it was retried is the first of the new series.
        assert sum(each.recorded_at > last_retry_at[delivery_id] for each in own) >= ATTEMPTS
    left = rows("SELECT * FROM webhook_logs")
    assert {(row["status"], row["attempts"], row["lease_token"]) for row in left} == {
        ("failed", ATTEMPTS, None)
    }
    attempts = rows("SELECT * FROM delivery_attempts")
    assert len(attempts) == len(sent)
    assert {row["outcome"] for row in attempts} == {"refused"}


def test_a_merchants_first_look_at_the_settings_may_be_many_at_once(clerk: Clerk, rows) -> None:
    """The endpoint is made at the first look, whoever looks first."""
    answers = at_once([partial(clerk.ask, "GET", "/webhooks/config")] * 16)
    assert {status for status, _ in answers} == {200}
    assert len({body["webhook_secret"] for _, body in answers}) == 1
    assert len(rows("SELECT * FROM webhook_endpoints")) == 1


def test_a_goodbye_from_the_old_address_does_not_silence_the_new_one(
    merchant_id: str, shop: str, rows
) -> None:
    """The merchant moved while an attempt was under way, which the old receiver answers with 410."""
    happen(merchant_id, 1)
    (under_way,) = claim(10)
    with transaction():
        endpoints.configure(merchant_id, "test", "http://new-shop.example/hook")
    record([(under_way, GONE)])
    (endpoint,) = rows("SELECT * FROM webhook_endpoints")
    assert endpoint["url"] == "http://new-shop.example/hook"
    assert endpoint["is_enabled"]
