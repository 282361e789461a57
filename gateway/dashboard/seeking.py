"""The filters of a list, as its address has them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from flask import request

from gateway.core import money
from gateway.core.errors import BadRequest
from gateway.domain import search
from gateway.domain.search import SORTS, Sought

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What is sought, and which fields of the filter make no sense: those are left out of it."""

    sought: Sought
    problems: dict[str, str]

    @property
    def status(self) -> int:
        return 400 if self.problems else 200


def read(**choices: Collection[str]) -> Asked:
    """The filters of this request.

    choices  the columns that may be filtered by, each with the words it may be
    """
    problems: dict[str, str] = {}

    def field(name: str, read: Callable[[str, str], T]) -> T | None:
        text = request.args.get(name, "").strip()
        try:
            return read(text, name) if text else None
        except BadRequest as problem:
            problems[name] = problem.description
            return None

    last_day = field("to", _day)
    sought = Sought(
        text=request.args.get("q", "").strip(),
        where={
            name: word for name, words in choices.items() if (word := request.args.get(name, "")) in words
        },
        created_from=field("from", _day),
        created_to=None if last_day is None else last_day + timedelta(days=1),
        least=field("min", _worth),
        most=field("max", _worth),
        sort=request.args.get("sort", "") if request.args.get("sort") in SORTS else "newest",
        after=request.args.get("after"),
        before=request.args.get("before"),
    )
    return Asked(sought, problems)


def _day(text: str, name: str) -> datetime:
    try:
        day = date.fromisoformat(text)
        if day >= date.max:
            raise ValueError
    except ValueError:
        raise BadRequest("Write the date like 2026-01-15", field=name) from None
    return datetime.combine(day, time(), UTC)


def _worth(text: str, name: str) -> int:
    return search.worth(money.parse(text, field=name), money.DEFAULT_CURRENCY)
