"""SQL of the hot path: one text for both engines, prepared once per connection.

Parsing and planning a statement costs PostgreSQL about as much as running it,
and SQLAlchemy's own layers several times that. The few statements that every
payment runs are therefore written as text with `:names`: SQLite
reads those as they are, PostgreSQL gets PREPARE and EXECUTE. Everything that is
not hot is plain SQLAlchemy.
"""

import itertools
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, Table

Values = Mapping[str, Any]

# Fixed width, so that text sorts as time does.
SQLITE_TIME = "%Y-%m-%d %H:%M:%S.%f"

sqlite3.register_adapter(datetime, lambda moment: moment.astimezone(UTC).strftime(SQLITE_TIME))

_NAME = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_numbers = itertools.count(1)


class Statement:
    """An SQL text with `:names`. Make it once, at import; it is prepared where it runs."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.names = list(dict.fromkeys(_NAME.findall(sql)))
        number = {name: f"${at}" for at, name in enumerate(self.names, 1)}
        self.label = f"hot_{next(_numbers)}"
        self.prepare = f"PREPARE {self.label} AS {_NAME.sub(lambda m: number[m[1]], sql)}"
        self.execute = f"EXECUTE {self.label}"


def insert_into(table: Table) -> Statement:
    """An INSERT of all columns of `table` that the database does not number itself."""
    names = [c.name for c in table.columns if c.autoincrement is not True]
    values = ", ".join(f":{name}" for name in names)
    return Statement(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values})")


def binders(table: Table, dialect: Dialect) -> dict[str, Callable[[Any], Any] | None]:
    """How each column's Python value becomes what the driver takes."""
    return {c.name: c.type.dialect_impl(dialect).bind_processor(dialect) for c in table.columns}


def run_postgresql(connection: Any, calls: Sequence[tuple[Statement, Values]]) -> Any:
    """Send all calls as one message and return the cursor, which stands on the last one's rows.

    On a connection in autocommit mode the message is one transaction: "when a
    simple Query message contains more than one SQL statement, those statements
    are executed as a single transaction" (PostgreSQL manual, 55.2.2.1).
    """
    prepared: set[str] = connection.info_of_statements
    fresh = {s.label: s for s, _ in calls if s.label not in prepared}
    cursor = connection.cursor()
    for statement in fresh.values():
        cursor.execute(statement.prepare)
        prepared.add(statement.label)
    parts: list[bytes] = []
    for statement, values in calls:
        parts.append(statement.execute.encode())
        if statement.names:
            arguments = [values[name] for name in statement.names]
            marks = "(" + ",".join(["%s"] * len(arguments)) + ")"
            parts[-1] += cursor.mogrify(marks, arguments)
    cursor.execute(b";".join(parts))
    return cursor


def run_sqlite(connection: Any, calls: Sequence[tuple[Statement, Values]]) -> Any:
    """Run the calls one by one on a connection that is in a transaction, or in none."""
    cursor = connection.cursor()
    for statement, values in calls:
        cursor.execute(statement.sql, values)
    return cursor


def moment(value: datetime | str) -> datetime:
    """An instant as a raw row holds it: aware from PostgreSQL, fixed-width text from SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.strptime(value, SQLITE_TIME).replace(tzinfo=UTC)
