"""The only clock in the project."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core import clock


@pytest.fixture(autouse=True)
def right_again() -> Iterator[None]:
    yield
    clock.move(0)


def test_now_is_aware_and_in_utc() -> None:
    before, now, after = datetime.now(UTC), clock.now(), datetime.now(UTC)
    assert before <= now <= after
    assert now.utcoffset() == timedelta()


def test_it_can_be_moved_ahead_and_put_right() -> None:
    clock.move(3600)
    assert timedelta(minutes=59) < clock.now() - datetime.now(UTC) <= timedelta(hours=1)
    clock.move(0.5)
    assert clock.now() - datetime.now(UTC) <= timedelta(seconds=0.5)
    clock.move(0)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=0.1)


def test_a_moment_is_shown_with_a_z_and_to_the_second() -> None:
    assert clock.iso(datetime(2026, 1, 15, 10, 31, tzinfo=UTC)) == "2026-01-15T10:31:00Z"
    assert clock.iso(datetime(2026, 1, 15, 10, 31, 59, 999_999, tzinfo=UTC)) == "2026-01-15T10:31:59Z"
    assert clock.iso(None) is None


def test_a_moment_of_another_zone_is_shown_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert clock.iso(datetime(2026, 1, 15, 16, 1, tzinfo=india)) == "2026-01-15T10:31:00Z"
