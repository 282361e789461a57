"""Single rows by their keys, as they were a moment ago: what several threads look for is one question.

A look-up finds its row in microseconds; carrying the question to the database
and the answer back costs many times that. So on PostgreSQL the threads that
look for the same kinds of rows at the same moment share a message
(core/together.py), and a thread that knows what it will look for next takes that
along (`ahead`). SQLite is in the process itself, and asked alone.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy.orm import DeclarativeBase

from gateway.core import db
from gateway.core.errors import Unavailable
from gateway.core.statements import Statement, is_uuid
from gateway.core.together import Together

Key = tuple[str, ...]
Found = tuple[Any, ...] | None

# Threads come one by one out of the same interpreter; those that come for the same are worth a moment.
COMPANY_S = 0.0005

_local = threading.local()


class Lookup:
    """Finds rows of a model's table by a unique key. Make it once, at import.

    columns    what is read, as SQL: names with commas between them
    key        the columns that are looked for
    company_s  how long the first of many threads waits for the others
    """

    def __init__(
        self,
        model: type[DeclarativeBase],
        columns: str,
        *key: str,
        company_s: Callable[[], float] = lambda: COMPANY_S,
    ) -> None:
        self.company_s = company_s
        table: Any = model.__table__
        self.table, self.columns, self.key = table.name, columns, key
        # An index is of no use for values of any other type.
        self.types = ["uuid" if is_uuid(table.c[name]) else "text" for name in key]
        self.width = columns.count(",") + 1
        where = " AND ".join(f"{name} = :{name}" for name in key)
        self._alone = Statement(f"SELECT {columns} FROM {table.name} WHERE {where}")

    def find(self, *key: str) -> Found:
        """The row with this key, or None. Sees only what is committed.

        raises  Unavailable  the database is away, also on a fresh connection
        """
        if db.is_sqlite():
            return self.find_alone(key)
        expected, _local.expected = getattr(_local, "expected", None), None
        if expected is None:
            return _question((self,)).answer((key,))[0]
        other, other_key, is_known, row = expected
        if is_known and (other, other_key) == (self, key):
            return row  # type: ignore[no-any-return]
        found, row = _question((self, other)).answer((key, other_key))
        _local.expected = (other, other_key, True, row)
        return found

    def find_alone(self, key: Key) -> Found:
        return next(iter(db.ask(self._alone, **dict(zip(self.key, key, strict=True)))), None)


@contextmanager
def ahead(lookup: Lookup, *key: str) -> Iterator[None]:
    """Whatever the block looks for first, look for this along with it; its second look-up takes it over.

    It is as fresh as the first answer, so the two belong close together.
    """
    _local.expected = (lookup, key, False, None)
    try:
        yield
    finally:
        _local.expected = None


class _Question:
    """Looks for one row by each of these look-ups, for each thread that asks."""

    def __init__(self, lookups: Sequence[Lookup]) -> None:
        self._lookups = lookups
        wanted, joins, chosen = ["at int"], [], ["r.at"]
        for at, lookup in enumerate(lookups):
            wanted += [
                f"{name}_{at} {its_type}" for name, its_type in zip(lookup.key, lookup.types, strict=True)
            ]
            where = " AND ".join(f"{name} = r.{name}_{at}" for name in lookup.key)
            # With a limit the planner cannot but go by the key, row by row.
            joins.append(
                f"LEFT JOIN LATERAL (SELECT true AS is_found, {lookup.columns} FROM {lookup.table}"
                f" WHERE {where} LIMIT 1) AS found_{at} ON true"
            )
            chosen.append(f"found_{at}.*")
        self._statement = Statement(
            f"SELECT {', '.join(chosen)} FROM json_to_recordset(:rows) AS r ({', '.join(wanted)})"
            f" {' '.join(joins)}"
        )
        self._together: Together[Sequence[Key], Sequence[Found]] = Together(
            self._ask, self._ask_alone, _is_worth_another_try, lookups[0].company_s
        )

    def answer(self, keys: Sequence[Key]) -> Sequence[Found]:
        return self._together.join(keys)

    def _ask(self, parts: list[Sequence[Key]]) -> list[Sequence[Found]]:
        wanted = [self._row(at, keys) for at, keys in enumerate(parts)]
        rows = db.ask(self._statement, rows=orjson.dumps(wanted).decode())
        answers = {row[0]: list(self._found(row)) for row in rows}
        return [answers[at] for at in range(len(parts))]

    def _row(self, at: int, keys: Sequence[Key]) -> dict[str, Any]:
        values: dict[str, Any] = {"at": at}
        for place, (lookup, key) in enumerate(zip(self._lookups, keys, strict=True)):
            values |= {f"{name}_{place}": value for name, value in zip(lookup.key, key, strict=True)}
        return values

    def _found(self, row: tuple[Any, ...]) -> Iterator[Found]:
        at = 1
        for lookup in self._lookups:
            end = at + 1 + lookup.width
            yield row[at + 1 : end] if row[at] else None
            at = end

    def _ask_alone(self, keys: Sequence[Key]) -> Sequence[Found]:
        return [lookup.find_alone(key) for lookup, key in zip(self._lookups, keys, strict=True)]


@lru_cache
def _question(lookups: tuple[Lookup, ...]) -> _Question:
    return _Question(lookups)


def _is_worth_another_try(error: BaseException, _had_company: bool) -> bool:
    """A connection may have died while it was idle; asked for itself, each gets a fresh one."""
    return isinstance(error, Unavailable)
