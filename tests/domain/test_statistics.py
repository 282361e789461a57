"""What a merchant's payments add up to: whatever happens, the same as counting them all."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert, update

from gateway.core import clock
from gateway.core.db import reading, session, transaction
from gateway.core.ids import new_id
from gateway.domain import statistics, tallies
from gateway.domain.statistics import Summary, percent
from gateway.models import Order, Payment
from tests.conftest import RIVAL_ID, Office, Person
from tests.scripted import ScriptedBank

DAY = timedelta(days=1)


def put(
    merchant_id: str,
    created_at: datetime,
    status: str = "success",
    amount: int = 50_000,
    currency: str = "INR",
) -> str:
    """A payment as it would be found, had it been made at that moment."""
    order_id, payment_id = new_id("order"), new_id("pay")
    shared = {"merchant_id": merchant_id, "amount": amount, "currency": currency}
    times = {"created_at": created_at, "updated_at": created_at}
    with transaction():
        session().execute(insert(Order).values(id=order_id, status="attempted", **shared, **times))
        session().execute(
            insert(Payment).values(
                id=payment_id,
                order_id=order_id,
                method="upi",
                vpa="asha@upi",
                status=status,
                captured=False,
                amount_refunded=0,
                refunds_reserved=0,
                attempts=1,
                **shared,
                **times,
            )
        )
    return payment_id


def settle(payment_id: str, status: str) -> None:
    with transaction():
        session().execute(update(Payment).where(Payment.id == payment_id).values(status=status))


def look(merchant_id: str, period: str = "all") -> Summary:
    with reading():
        return statistics.summary(merchant_id, period)


def start_of_today() -> datetime:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def test_nothing_is_zero_and_still_has_a_currency(merchant: Person) -> None:
    found = look(merchant.merchant_id)
    assert (found.count, found.amounts, found.success_rate) == (0, {"INR": 0}, 0)
    assert len(found.bars) == 24
    assert {bar.count for bar in found.bars} == {0}


def test_a_payment_counts_at_once_and_its_amount_when_it_succeeded(
    merchant: Person, bank: ScriptedBank, office: Office, wait: Callable[[float], None]
) -> None:
    merchant.pay()
    found = look(merchant.merchant_id)
    assert (found.count, found.pending, found.amounts, found.success_rate) == (1, 1, {"INR": 0}, 0)
    wait(2)
    office.settle()
    found = look(merchant.merchant_id)
    assert (found.count, found.pending, found.amounts, found.success_rate) == (1, 0, {"INR": 50_000}, 100)


def test_a_rival_counts_only_its_own(merchant: Person, rival: Person) -> None:
    merchant.pay()
    assert look(merchant.merchant_id).count == 1
    assert look(RIVAL_ID).count == 0


def test_an_old_payment_that_settles_is_noticed(merchant: Person) -> None:
    late = put(merchant.merchant_id, clock.now() - 3 * DAY, "pending")
    put(merchant.merchant_id, clock.now() - 3 * DAY, "failed")
    assert look(merchant.merchant_id).success_rate == 0
    settle(late, "success")
    found = look(merchant.merchant_id)
    assert (found.pending, found.succeeded, found.amounts) == (0, 1, {"INR": 50_000})
    assert found.success_rate == 50


def test_one_settles_while_another_of_its_hour_stays_pending(merchant: Person) -> None:
    moment = clock.now() - 2 * DAY
    first, second = (put(merchant.merchant_id, moment, "pending", amount) for amount in (100, 200))
    assert look(merchant.merchant_id).pending == 2
    settle(second, "success")
    found = look(merchant.merchant_id)
    assert (found.pending, found.amounts) == (1, {"INR": 200})
    settle(first, "failed")
    assert look(merchant.merchant_id).failed == 1


def test_what_was_young_is_counted_once_when_it_has_grown_old(
    merchant: Person, wait: Callable[[float], None]
) -> None:
    put(merchant.merchant_id, clock.now())
    for ahead_s in (0, 30, 45, 90, 4000, 100_000):
        wait(ahead_s)
        found = look(merchant.merchant_id)
        assert (found.count, found.amounts) == (1, {"INR": 50_000})


def test_a_row_with_an_old_time_is_found_by_the_next_comparison(
    merchant: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "_COMPARE_EVERY_S", 0.0)
    put(merchant.merchant_id, clock.now() - 5 * DAY)
    assert look(merchant.merchant_id).count == 1
    put(merchant.merchant_id, clock.now() - 9 * DAY)
    assert look(merchant.merchant_id).count == 2


def test_periods_begin_at_midnight_and_contain_today(merchant: Person) -> None:
    today = start_of_today()
    for back in (0, 1, 6, 7, 29, 30, 400):
        put(merchant.merchant_id, today - back * DAY)
    # The last moment of yesterday is not of today.
    put(merchant.merchant_id, today - timedelta(microseconds=1))
    counts = {period: look(merchant.merchant_id, period).count for period in statistics.PERIODS}
    assert counts == {"today": 1, "7d": 4, "30d": 6, "all": 8}


@pytest.mark.parametrize(
    ("oldest", "unit", "bars"),
    [(0, "hour", 24), (1, "day", 2), (49, "day", 50), (60, "week", 9), (800, "month", 27)],
)
def test_bars_are_as_wide_as_a_chart_needs(merchant: Person, oldest: int, unit: str, bars: int) -> None:
    put(merchant.merchant_id, start_of_today() - oldest * DAY)
    found = look(merchant.merchant_id)
    assert found.unit == unit
    assert abs(len(found.bars) - bars) <= 1
    assert sum(bar.count for bar in found.bars) == 1
    assert [bar.start for bar in found.bars] == sorted(bar.start for bar in found.bars)


def test_amounts_are_kept_apart_by_currency_and_rupees_lead(merchant: Person) -> None:
    for currency, amount in (("USD", 1000), ("USD", 1500), ("USD", 100), ("INR", 700), ("JPY", 300)):
        put(merchant.merchant_id, clock.now(), amount=amount, currency=currency)
    found = look(merchant.merchant_id)
    assert list(found.amounts.items()) == [("INR", 700), ("USD", 2600), ("JPY", 300)]
    assert found.currency == "INR"
    assert sum(bar.amount for bar in found.bars) == 700


def test_a_merchant_without_rupees_leads_with_its_busiest_currency(merchant: Person) -> None:
    put(merchant.merchant_id, clock.now(), currency="EUR")
    put(merchant.merchant_id, clock.now(), currency="USD")
    put(merchant.merchant_id, clock.now(), "failed", currency="USD")
    assert list(look(merchant.merchant_id).amounts) == ["USD", "EUR"]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, 0), (0, 9, 0), (9, 9, 100), (19, 20, 95), (2, 3, 67), (1, 3, 33), (999, 1000, 99), (1, 1000, 1)],
)
def test_a_rate_is_rounded_but_never_to_a_lie(part: int, whole: int, text: int) -> None:
    assert percent(part, whole) == text


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_it_is_the_same_as_counting_them_all(
    merchant: Person, wait: Callable[[float], None], rows: Callable[..., list[dict[str, Any]]], seed: int
) -> None:
    chance = Random(seed)
    for _ in range(4):
        moment = clock.now() - chance.random() * 40 * DAY
        put(merchant.merchant_id, moment, chance.choice(["pending", "success", "failed"]))
    for _ in range(25):
        deed = chance.random()
        pending = [row["id"] for row in rows("SELECT id FROM payments WHERE status = 'pending'")]
        if deed < 0.4:
            currency = chance.choice(["INR", "USD"])
            put(merchant.merchant_id, clock.now(), "pending", chance.randint(100, 9999), currency)
        elif deed < 0.7 and pending:
            settle(chance.choice(pending), chance.choice(["success", "failed"]))
        else:
            wait(chance.choice([1, 20, 61, 1800, 90_000]))
        assert counted(look(merchant.merchant_id)) == expected(rows)


def counted(found: Summary) -> tuple[Any, ...]:
    amounts = {currency: amount for currency, amount in found.amounts.items() if amount}
    bars = sum(bar.succeeded for bar in found.bars), sum(bar.count for bar in found.bars)
    return Counter(success=found.succeeded, failed=found.failed, pending=found.pending), amounts, bars


def expected(rows: Callable[..., list[dict[str, Any]]]) -> tuple[Any, ...]:
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for row in rows("SELECT status, currency, amount FROM payments"):
        counts[row["status"]] += 1
        if row["status"] == "success":
            amounts[row["currency"]] += row["amount"]
    return counts, dict(amounts), (counts["success"], counts.total())


def test_every_hour_is_one_of_utc(merchant: Person) -> None:
    put(merchant.merchant_id, datetime(2026, 1, 15, 23, 59, 59, 999_999, tzinfo=UTC))
    with reading():
        days, hours = tallies.by_day_and_hour(merchant.merchant_id)
    assert list(days) == [datetime(2026, 1, 15, tzinfo=UTC)]
    assert list(hours) == [datetime(2026, 1, 15, 23, tzinfo=UTC)]
