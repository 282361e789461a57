"""Everything at once: shoppers, merchants, workers, and an auditor who looks all the time."""

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, update

from gateway.core import clock
from gateway.core.db import reading, session, transaction
from gateway.core.errors import BadRequest, Unavailable
from gateway.core.sending import Receipt
from gateway.domain import deliveries, dispatch, endpoints, events, orders, payments, refunds, verification
from gateway.domain.methods import Instrument
from gateway.domain.orders import OrderBody
from gateway.models import Delivery, Payment, Refund
from tests.races.crowd import Crowd
from tests.scripted import DECLINED, PAID, SILENCE

T = TypeVar("T")

LASTS_S = 4.0
AMOUNT = 1000

THANKS = Receipt("success", 1, response_code=200)
TROUBLE = Receipt("refused", 1, response_code=500)
BANK_SAYS = (PAID, PAID, PAID, DECLINED, SILENCE)


class Member:
    """One of many who do whatever comes to mind, and who remembers what was accepted."""

    def __init__(self, luck: int, merchant_ids: list[str]) -> None:
        self.chance = random.Random(luck)
        self.merchant_ids = merchant_ids
        self.accepted: Counter[str] = Counter()

    def live(self) -> Counter[str]:
        acts: list[Callable[[], None]] = [self.shop, self.shop, self.settle, self.settle, self.return_money]
        acts += [self.capture, self.refund, self.refund, self.deliver, self.retry]
        ends_at = time.monotonic() + LASTS_S
        while time.monotonic() < ends_at:
            act = self.chance.choice(acts)
            try:
                act()
            except BadRequest:
                self.accepted["refused"] += 1
            except Unavailable:
                self.accepted[f"busy: {act.__name__}"] += 1
        return self.accepted

    def shop(self) -> None:
        merchant_id = self.chance.choice(self.merchant_ids)
        body = OrderBody(amount=AMOUNT, currency=self.chance.choice(["INR", "JPY"]))
        with transaction():
            order_id = orders.create(merchant_id, body).id
        for _ in range(self.chance.randint(1, 3)):
            order = orders.find(order_id)
            with transaction():
                payments.create(order, Instrument("upi", vpa="asha@upi"))
            self.accepted["payments"] += 1

    def settle(self) -> None:
        with transaction():
            claims = payments.claim(self.chance.randint(1, 20))
        self.persist(payments.settle, [(claim, self.chance.choice(BANK_SAYS)) for claim in claims])

    def return_money(self) -> None:
        with transaction():
            claims = refunds.claim(self.chance.randint(1, 20))
        self.persist(refunds.settle, [(claim, self.chance.choice(BANK_SAYS)) for claim in claims])

    def deliver(self) -> None:
        with transaction():
            events.fan_out()
        with transaction():
            claims = dispatch.claim(20, {}, 20)
        self.persist(dispatch.record, [(claim, self.chance.choice([THANKS, TROUBLE])) for claim in claims])

    def persist(self, verb: Callable[[Any], None], results: Any) -> None:
        """As a runner does: what was answered is kept until it is written down."""
        while True:
            try:
                with transaction():
                    return verb(results)
            except Unavailable:
                self.accepted[f"busy: {verb.__module__}.{verb.__name__}"] += 1

    def capture(self) -> None:
        merchant_id, payment_id = self.pick(Payment, Payment.status == "success")
        with transaction():
            payments.capture(merchant_id, "test", payment_id, None)
        self.accepted["captures"] += 1

    def refund(self) -> None:
        merchant_id, payment_id = self.pick(Payment, Payment.status == "success")
        amount = self.chance.choice([1, 300, 700, AMOUNT])
        with transaction():
            refunds.create(merchant_id, payment_id, amount, "test")
        self.accepted["refunds"] += 1
        self.accepted["refunded"] += amount

    def retry(self) -> None:
        merchant_id, delivery_id = self.pick(Delivery, Delivery.attempts > 0)
        with transaction():
            deliveries.retry(merchant_id, "test", delivery_id)

    def pick(self, model: Any, which: Any) -> tuple[str, str]:
        """One of the newest, which others are likely to be at, too."""
        wanted = select(model.merchant_id, model.id).where(which).order_by(model.created_at.desc()).limit(5)
        with reading():
            found = session().execute(wanted).all()
        if not found:
            raise BadRequest("There is none yet")
        row = self.chance.choice(found)
        return row[0], row[1]


def live(luck: int, merchant_ids: list[str]) -> Counter[str]:
    return Member(luck, merchant_ids).live()


def watch() -> Counter[str]:
    """An auditor: at no moment may anybody find the books unsound."""
    looks, ends_at = 0, time.monotonic() + LASTS_S
    while time.monotonic() < ends_at:
        with reading():
            assert verification.complaints() == {}
        looks += 1
        time.sleep(0.02)
    return Counter(looks=looks)


@pytest.fixture
def merchant_ids(settle_in: Callable[[], str]) -> list[str]:
    found = [settle_in() for _ in range(3)]
    for merchant_id in found:
        with transaction():
            endpoints.configure(merchant_id, "test", "http://shop.example/hook")
    return found


def test_the_books_are_sound_at_every_moment_and_nothing_is_lost(
    crowd: Crowd, merchant_ids: list[str], audit, rows
) -> None:
    done = sum(crowd.do(*[(live, luck, merchant_ids) for luck in range(crowd.size - 1)], (watch,)), Counter())
    audit()
    assert done["looks"] > 0
    found = rows("SELECT * FROM payments")
    assert len(found) == done["payments"]
    assert sum(bool(row["captured"]) for row in found) == done["captures"] > 0
    asked = [row for row in rows("SELECT * FROM refunds") if row["reason"] == "test"]
    assert len(asked) == done["refunds"] > 0
    assert sum(row["amount"] for row in asked) == done["refunded"]
    bring_to_an_end()
    audit()
    assert {row["status"] for row in rows("SELECT * FROM payments WHERE flagged IS NULL")} == {
        "success",
        "failed",
    }
    assert {row["status"] for row in rows("SELECT * FROM refunds WHERE flagged IS NULL")} == {
        "processed",
        "failed",
    }
    deliveries_left = rows("SELECT * FROM webhook_logs")
    assert {row["status"] for row in deliveries_left} <= {"success", "failed"}
    assert len(deliveries_left) == len(rows("SELECT * FROM events"))


def bring_to_an_end() -> None:
    """No answer is awaited any more, and what is under way is finished."""
    last = Member(0, [])
    for model, verbs in ((Payment, payments), (Refund, refunds)):
        with transaction():
            waiting = model.due_at.is_not(None)
            session().execute(update(model).where(waiting).values(due_at=clock.now(), lease_until=None))
        while claims := in_transaction(verbs.claim, 500):
            last.persist(verbs.settle, [(claim, PAID) for claim in claims])
    while in_transaction(events.fan_out):
        pass
    while sending := in_transaction(dispatch.claim, 500, {}, 500):
        last.persist(dispatch.record, [(claim, THANKS) for claim in sending])


def in_transaction(verb: Callable[..., T], *given: Any) -> T:
    with transaction():
        return verb(*given)
