"""Single rows by their keys, as they were a moment ago: what several threads look for is one question.

A look-up finds its row in microseconds; carrying the question to the database
and the answer back costs many times that. So on PostgreSQL the threads that
look for the same kinds of rows at the same moment share a message
(core/together.py), and a thread that knows what it will look for next takes that
along (`ahead`). What they do with the rows may be one commit, too (`use`). SQLite
is in the process itself, and asked alone.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from sqlalchemy.orm import DeclarativeBase

from gateway.core import db
from gateway.core.errors import Unavailable
from gateway.core.statements import Statement, is_uuid
from gateway.core.together import Together

Key = tuple[str, ...]
Found = tuple[Any, ...] | None
T = TypeVar("T")

# Threads come one by one out of the same interpreter; those that come for the same are worth a moment.
COMPANY_S = 0.0005


def company_s(has_gathered: bool) -> float:
    """How long the first of many waits for the others, unless they are there."""
    return 0.0 if has_gathered else COMPANY_S


_local = threading.local()


class Lookup:
    """Finds rows of a model's table by a unique key. Make it once, at import.

    columns    what is read, as SQL: names with commas between them
    key        the columns that are looked for
    company_s  how long many threads wait for others (Together)
    """

    def __init__(
        self,
        model: type[DeclarativeBase],
        columns: str,
        *key: str,
        company_s: Callable[[bool], float] = company_s,
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
        expected = _take_expected()
        if expected is None:
            return _question((self,)).answer((key,))[0]
        if expected.is_known and (expected.lookup, expected.key) == (self, key):
            return expected.row
        found, row = _question((self, expected.lookup)).answer((key, expected.key))
        _local.expected = _Expected(expected.lookup, expected.key, True, row)
        return found

    def use(self, key: Key, act: Callable[[Found], T]) -> T:
        """What `act` makes of the row with this key, or of None.

        On PostgreSQL all who come for the same at one moment share the look-up, and a single
        commit behind it (db.single_commit): one thread acts for everybody, each in its own
        context, so that the others need not be woken twice. Whoever cannot be part of that,
        or was part of one that failed, acts by itself and from the start.

        raises  whatever `act` raises, or its commit
        """
        if db.is_sqlite():
            return act(self.find_alone(key))
        expected = _take_expected()
        if expected is None:
            outcome = _question((self,)).use(_Errand((key,), act))
        else:
            outcome = _question((self, expected.lookup)).use(_Errand((key, expected.key), act))
        if outcome is None or isinstance(outcome.error, db.Apart):
            return act(self.find_alone(key))
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[no-any-return]

    def find_alone(self, key: Key) -> Found:
        return next(iter(db.ask(self._alone, **dict(zip(self.key, key, strict=True)))), None)


@dataclass(frozen=True)
class _Expected:
    """What this thread will look for, and the row once that came along."""

    lookup: Lookup
    key: Key
    is_known: bool = False
    row: Found = None


def _take_expected() -> _Expected | None:
    expected, _local.expected = getattr(_local, "expected", None), None
    return expected


@contextmanager
def ahead(lookup: Lookup, *key: str) -> Iterator[None]:
    """Whatever the block looks for first, look for this along with it; its second look-up takes it over.

    It is as fresh as the first answer, so the two belong close together.
    """
    _local.expected = _Expected(lookup, key)
    try:
        yield
    finally:
        _local.expected = None


@dataclass(frozen=True)
class _Errand:
    """What a thread came for: rows, and what to do with the first of them."""

    keys: Sequence[Key]
    act: Callable[[Found], Any]
    context: Context = field(default_factory=copy_context)


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


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
        self._errands: Together[_Errand, _Outcome | None] = Together(
            self._run, lambda _: None, lambda error, _: isinstance(error, Exception), lookups[0].company_s
        )

    def use(self, errand: _Errand) -> _Outcome | None:
        """How the errand ended; None where it was in vain, because the whole group failed."""
        return self._errands.join(errand)

    def _run(self, errands: list[_Errand]) -> list[_Outcome | None]:
        answers = self._ask([errand.keys for errand in errands])
        with db.single_commit():
            return [self._act(*each) for each in zip(errands, answers, strict=True)]

    def _act(self, errand: _Errand, found: Sequence[Found]) -> _Outcome:
        if len(self._lookups) > 1:
            _local.expected = _Expected(self._lookups[1], errand.keys[1], True, found[1])
        try:
            return _Outcome(errand.context.run(errand.act, found[0]))
        except Exception as error:
            return _Outcome(error=error)
        finally:
            _local.expected = None

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
