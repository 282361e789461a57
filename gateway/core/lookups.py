"""Single rows by their keys, as they were a moment ago: what several threads look for is one question.

A look-up finds its row in microseconds; carrying the question to the database
and the answer back costs many times that. So on PostgreSQL the threads that
look for rows of one kind at the same moment share a message (core/together.py).
SQLite is in the process itself, and asked alone.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase

from gateway.core import db
from gateway.core.errors import Unavailable
from gateway.core.statements import Statement
from gateway.core.together import Together

Key = tuple[str, ...]
Found = tuple[Any, ...]


class Lookup:
    """Finds rows of a model's table by a unique key. Make it once, at import.

    columns  what is read, as SQL
    key      the columns that are looked for
    """

    def __init__(self, model: type[DeclarativeBase], columns: str, *key: str) -> None:
        table: Any = model.__table__
        one = " AND ".join(f"{name} = :{name}" for name in key)
        self._one = Statement(f"SELECT {columns} FROM {table.name} WHERE {one}")
        many = " AND ".join(f"{name} = ANY ({_as_array(table.c[name])})" for name in key)
        found_by = ", ".join(f"CAST({name} AS text)" for name in key)
        self._many = Statement(f"SELECT {found_by}, {columns} FROM {table.name} WHERE {many}")
        self._names = key
        self._together: Together[Key, Found | None] = Together(
            self._find_many, self._find_alone, _is_worth_another_try
        )

    def find(self, *key: str) -> Found | None:
        """The row with this key, or None. Sees only what is committed.

        raises  Unavailable  the database is away, also on a fresh connection
        """
        return self._find_alone(key) if db.is_sqlite() else self._together.join(key)

    def _find_alone(self, key: Key) -> Found | None:
        return next(iter(db.ask(self._one, **dict(zip(self._names, key, strict=True)))), None)

    def _find_many(self, keys: Sequence[Key]) -> list[Found | None]:
        wanted = zip(self._names, zip(*keys, strict=True), strict=True)
        rows = db.ask(self._many, **{name: list(set(values)) for name, values in wanted})
        width = len(self._names)
        # Of a key with two columns, all of one are looked for beside all of the other.
        found = {row[:width]: row[width:] for row in rows}
        return [found.get(key) for key in keys]


def _as_array(column: Column[Any]) -> str:
    """The values looked for, of the column's type: an index is of no use for any other."""
    is_uuid = column.type.compile(dialect=postgresql.dialect()) == "UUID"  # type: ignore[no-untyped-call]
    return f"CAST(CAST(:{column.name} AS text[]) AS {'uuid' if is_uuid else 'text'}[])"


def _is_worth_another_try(error: BaseException, _had_company: bool) -> bool:
    """A connection may have died while it was idle; asked for itself, each gets a fresh one."""
    return isinstance(error, Unavailable)
