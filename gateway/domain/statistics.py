"""Statistics of a merchant's payments: what they add up to, and how they are spread over a period."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.core import clock
from gateway.core.money import DEFAULT_CURRENCY
from gateway.domain import tallies
from gateway.domain.tallies import Tally

# The choices of a page, by the days they reach back besides today; None is everything.
PERIODS: dict[str, int | None] = {"today": 0, "7d": 6, "30d": 29, "all": None}

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Counts:
    """How many payments there were, by how they stand."""

    succeeded: int
    failed: int
    pending: int

    @property
    def count(self) -> int:
        return self.succeeded + self.failed + self.pending

    @property
    def success_rate(self) -> int:
        """Of the payments that are final, in whole percent; 0 when none is."""
        return percent(self.succeeded, self.succeeded + self.failed)


@dataclass(frozen=True, kw_only=True)
class Bar(Counts):
    """The payments that were created in one stretch of time; what succeeded of them adds up to `amount`."""

    start: datetime
    amount: int


@dataclass(frozen=True, kw_only=True)
class Summary(Counts):
    """A merchant's payments of a period; its days and hours are those of UTC.

    amounts  what succeeded, in minor units by currency: INR first, then the one with most payments
    unit     what a bar stands for: hour, day, week or month; their amounts are in the first currency
    """

    amounts: dict[str, int]
    unit: str
    bars: list[Bar]

    @property
    def currency(self) -> str:
        return next(iter(self.amounts))


def percent(part: int, whole: int) -> int:
    """Rounded, but 0 only where there is nothing, and 100 only where nothing is missing."""
    if part in (0, whole):
        return 100 if part else 0
    return min(99, max(1, (200 * part + whole) // (2 * whole)))


def summary(merchant_id: str, period: str) -> Summary:
    """What the payments of one of the PERIODS add up to, and how they are spread over it, at this moment."""
    days, hours = tallies.by_day_and_hour(merchant_id)
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    back = PERIODS[period]
    since = today - back * _DAY if back is not None else min(days, default=today)
    chosen = {day: tally for day, tally in days.items() if day >= since}
    counts, amounts = _totals(chosen.values())
    unit = _unit(since, today)
    if unit == "hour":
        chosen = {hour: tally for hour, tally in hours.items() if hour >= since}
    return Summary(
        succeeded=counts["success"],
        failed=counts["failed"],
        pending=counts["pending"],
        amounts=amounts,
        unit=unit,
        bars=_bars(chosen, _stretches(since, today + _DAY, unit), unit, next(iter(amounts))),
    )


def _totals(found: Iterable[Tally]) -> tuple[Counter[str], dict[str, int]]:
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    payments: Counter[str] = Counter()
    for tally in found:
        for (currency, status), (count, amount) in tally.items():
            counts[status] += count
            payments[currency] += count
            amounts[currency] += amount if status == "success" else 0
    order = sorted(payments, key=lambda code: (code != DEFAULT_CURRENCY, -payments[code], code))
    return counts, {currency: amounts[currency] for currency in order or [DEFAULT_CURRENCY]}


def _unit(since: datetime, today: datetime) -> str:
    """So wide that a chart has some fifty bars at most."""
    days = (today - since) // _DAY + 1
    if days <= 1:
        return "hour"
    return "day" if days <= 50 else "week" if days <= 350 else "month"


def _start(moment: datetime, unit: str) -> datetime:
    """The beginning of the day, week (a Monday) or month of this moment; of an hour it is itself."""
    if unit == "hour":
        return moment
    day = moment.replace(hour=0)
    if unit == "month":
        return day.replace(day=1)
    return day - day.weekday() * _DAY if unit == "week" else day


def _stretches(since: datetime, end: datetime, unit: str) -> list[datetime]:
    found = [_start(since, unit)]
    while found[-1] < end:
        found.append(_next(found[-1], unit))
    return found[:-1]


def _next(start: datetime, unit: str) -> datetime:
    if unit == "month":
        return (start + 32 * _DAY).replace(day=1)
    return start + {"hour": timedelta(hours=1), "day": _DAY, "week": 7 * _DAY}[unit]


def _bars(found: dict[datetime, Tally], starts: list[datetime], unit: str, currency: str) -> list[Bar]:
    """One for each stretch, also where nothing happened."""
    bars: dict[datetime, Counter[str]] = {start: Counter() for start in starts}
    for moment, tally in found.items():
        # A clock that runs ahead may have written a row of tomorrow.
        bar = bars.setdefault(_start(moment, unit), Counter())
        for (code, status), (count, amount) in tally.items():
            bar[status] += count
            bar["amount"] += amount if (code, status) == (currency, "success") else 0
    return [
        Bar(bar["success"], bar["failed"], bar["pending"], start=start, amount=bar["amount"])
        for start, bar in sorted(bars.items())
    ]
