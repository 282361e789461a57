"""Tallies: how many payments a merchant has and what they add up to, by the hour of their creation.

Exact, and as quick at a million rows as at ten. Rows are never deleted, and a
payment changes once, from pending to final. So what was counted of payments
older than a minute stays true for as long as the same number of them is
pending; each look counts those few, reads the hours in which that number has
changed again, and adds what came since. Every process keeps what it has
counted, and asks every minute or so whether the sum is still the table's: rows that
were written with an old time (by a clock that ran behind, or by `fill`) are
found then.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, func, select

from gateway.core import clock, db
from gateway.core.db import session
from gateway.models import Payment

# Rows younger than this may still be on their way to their commit.
_SETTLED = timedelta(minutes=1)
_COMPARE_EVERY_S = 60.0
# Comparing reads the whole index: at a million rows it takes a moment, so it is done the more rarely.
_COMPARE_SHARE = 0.001
_MAX_BOOKS = 500
_HOUR = timedelta(hours=1)

# (currency, status) -> (how many, what they add up to)
Tally = Mapping[tuple[str, str], tuple[int, int]]


class _Book:
    """What was counted of one merchant's payments, up to a moment."""

    def __init__(self, merchant_id: str) -> None:
        self._own = Payment.merchant_id == merchant_id
        self._lock = threading.Lock()
        self._start_anew()

    def _start_anew(self) -> None:
        self._hours: dict[datetime, Tally] = {}
        self._days: dict[datetime, Tally] = {}
        self._pending: dict[datetime, int] = {}
        self._upto: datetime | None = None
        self._compare_at_s = time.monotonic() + _COMPARE_EVERY_S

    def look(self) -> tuple[dict[datetime, Tally], dict[datetime, Tally]]:
        """The tallies by day, and those by hour, of every one in which there was a payment."""
        with self._lock:
            self._compare()
            self._reread_what_settled()
            upto = self._close_what_is_old()
            days, hours = dict(self._days), dict(self._hours)
            for hour, tally in _read(self._own, Payment.created_at >= upto).items():
                hours[hour] = _sum(hours.get(hour, {}), tally)
                days[_day(hour)] = _sum(days.get(_day(hour), {}), tally)
            return days, hours

    def _compare(self) -> None:
        began_s = time.monotonic()
        if self._upto is None or began_s < self._compare_at_s:
            return
        known = sum(count for tally in self._days.values() for count, _ in tally.values())
        found = session().scalar(select(func.count()).where(self._own, Payment.created_at < self._upto))
        if found != known:
            self._start_anew()
        took_s = time.monotonic() - began_s
        self._compare_at_s = time.monotonic() + max(_COMPARE_EVERY_S, took_s / _COMPARE_SHARE)

    def _reread_what_settled(self) -> None:
        if self._upto is None:
            return
        hour, is_old = _hour_of(Payment.created_at), Payment.created_at < self._upto
        query = select(hour, func.count()).where(self._own, Payment.status == "pending", is_old)
        found = {_moment(row[0]): row[1] for row in session().execute(query.group_by(hour))}
        for start in {*found, *self._pending}:
            if found.get(start) != self._pending.get(start):
                in_hour = (Payment.created_at >= start, Payment.created_at < start + _HOUR)
                self._keep(_read(self._own, is_old, *in_hour))

    def _close_what_is_old(self) -> datetime:
        closed = (clock.now() - _SETTLED).replace(second=0, microsecond=0)
        if self._upto is None:
            self._keep(_read(self._own, Payment.created_at < closed))
        elif closed > self._upto:
            fresh = _read(self._own, Payment.created_at >= self._upto, Payment.created_at < closed)
            self._keep({hour: _sum(self._hours.get(hour, {}), tally) for hour, tally in fresh.items()})
        else:
            return self._upto
        self._upto = closed
        return closed

    def _keep(self, hours: dict[datetime, Tally]) -> None:
        """Take these hours instead of what was known of them."""
        for hour, tally in hours.items():
            day, known = _day(hour), self._hours.get(hour, {})
            self._days[day] = _sum(self._days.get(day, {}), tally, _negative(known))
            self._hours[hour] = tally
            pending = sum(count for (_, status), (count, _) in tally.items() if status == "pending")
            self._pending.pop(hour, None)
            if pending:
                self._pending[hour] = pending


# What one database has taught says nothing of another.
_books: WeakKeyDictionary[Engine, dict[str, _Book]] = WeakKeyDictionary()
_books_lock = threading.Lock()


def by_day_and_hour(merchant_id: str) -> tuple[dict[datetime, Tally], dict[datetime, Tally]]:
    """The merchant's payments at this moment: by the day and by the hour, in UTC, of their creation."""
    with _books_lock:
        books = _books.setdefault(db.engine(), {})
        book = books.pop(merchant_id, None) or _Book(merchant_id)
        if len(books) >= _MAX_BOOKS:
            del books[next(iter(books))]  # the one that nobody has looked at for the longest time
        books[merchant_id] = book
    return book.look()


def _read(*conditions: ColumnElement[bool]) -> dict[datetime, Tally]:
    hour = _hour_of(Payment.created_at)
    query = (
        select(hour, Payment.currency, Payment.status, func.count(), func.sum(Payment.amount))
        .where(*conditions)
        .group_by(hour, Payment.currency, Payment.status)
    )
    found: dict[datetime, dict[tuple[str, str], tuple[int, int]]] = {}
    for at, currency, status, count, amount in session().execute(query):
        # PostgreSQL sums bigints into a numeric.
        found.setdefault(_moment(at), {})[currency, status] = (count, int(amount))
    return dict(found)


def _hour_of(created_at: Any) -> ColumnElement[Any]:
    # SQLite keeps times as text that begins with `2026-01-15 10`; PostgreSQL's session is in UTC.
    if db.is_sqlite():
        return func.substr(created_at, 1, 13)
    return func.date_trunc("hour", created_at)


def _moment(hour: datetime | str) -> datetime:
    if isinstance(hour, datetime):
        return hour.astimezone(UTC)
    return datetime.fromisoformat(f"{hour}:00+00:00")


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _negative(tally: Tally) -> Tally:
    return {key: (-count, -amount) for key, (count, amount) in tally.items()}


def _sum(*tallies: Tally) -> Tally:
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for tally in tallies:
        for key, (count, amount) in tally.items():
            known = total.get(key, (0, 0))
            total[key] = (known[0] + count, known[1] + amount)
    return total
