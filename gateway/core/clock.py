"""The only clock in the project."""

from datetime import UTC, datetime, timedelta

import orjson

_ahead = timedelta()
_LIKE_THE_CONTRACT = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) + _ahead


def iso(moment: datetime | None) -> str | None:
    """`2026-01-15T10:31:00Z`: ISO 8601 in UTC with second precision, as the contract shows it."""
    if moment is None:
        return None
    quoted = orjson.dumps(moment.astimezone(UTC), option=_LIKE_THE_CONTRACT)
    return quoted[1:-1].decode()


def move(seconds: float) -> None:
    """Set this process's clock ahead, so that a test need not wait. Zero puts it right again."""
    global _ahead
    _ahead = timedelta(seconds=seconds) if seconds else timedelta()
