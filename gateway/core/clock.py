"""The only clock in the project."""

from datetime import UTC, datetime, timedelta

_ahead = timedelta()


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) + _ahead


def iso(moment: datetime | None) -> str | None:
    """`2026-01-15T10:31:00Z`: ISO 8601 in UTC with second precision, as the contract shows it."""
    return None if moment is None else f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def move(seconds: float) -> None:
    """Set this process's clock ahead, so that a test need not wait. Zero puts it right again."""
    global _ahead
    _ahead = timedelta(seconds=seconds) if seconds else timedelta()
