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
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, Column, Dialect, Table
from sqlalchemy.dialects import postgresql

Values = Mapping[str, Any]

_SQLITE_TIME = "%Y-%m-%d %H:%M:%S.%f"


def as_text(moment: datetime) -> str:
    """An instant as SQLite keeps it: of fixed width, in whatever year, so that text sorts as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


sqlite3.register_adapter(datetime, as_text)

_NAME = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")
_VALUE = re.compile(r"\br\.([a-z][a-z0-9_]*)")
_numbers = itertools.count(1)
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


# What the hot statements say in PostgreSQL's words, and how SQLite says it. Whoever writes there is alone
# and needs no locks on rows.
_SQLITE_CLOCK = "strftime('%Y-%m-%d %H:%M:%f', 'now', '{} seconds') || '000'"
_SQLITE_WORDS = {
    r"clock_timestamp\(\) \+ interval '(\d+) seconds'": _SQLITE_CLOCK.format(r"\1"),
    r"clock_timestamp\(\)": _SQLITE_CLOCK.format(0),
    r"= ANY \(ARRAY\((SELECT [^?]+?)\)\)(?= |$)": r"IN (\1)",
    r"CAST\((\w+) AS uuid\)": r"\1",
    r"json_array_elements_text": "json_each",
    r"json_agg": "json_group_array",
    r"json_build_array": "json_array",
    r" FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?": "",
}


def _for_sqlite(sql: str) -> str:
    for words, others in _SQLITE_WORDS.items():
        sql = re.sub(words, others, sql)
    return sql


class Statement:
    """An SQL text with `:names`. Make it once, at import; it is prepared where it runs.

    batch  the same for many at once, on PostgreSQL: its one name, `:rows`, is a
           JSON array of the values. It serves calls that follow one another.
    """

    def __init__(self, sql: str, batch: str | None = None) -> None:
        self.sql = sql
        self.sqlite = _for_sqlite(sql)
        self.batch = None if batch is None else Statement(batch)
        self.names = list(dict.fromkeys(_NAME.findall(sql)))
        number = {name: f"${at}" for at, name in enumerate(self.names, 1)}
        self.label = f"hot_{next(_numbers)}"
        self.prepare = f"PREPARE {self.label} AS {_NAME.sub(lambda m: number[m[1]], sql)}"
        self.execute = f"EXECUTE {self.label}"


Call = tuple[Statement, Values]
Binders = dict[str, Callable[[Any], Any]]
# What is added to a number that many want to change, by statement and key.
Tallies = dict[tuple[Statement, tuple[tuple[str, Any], ...]], int]


def insert_into(table: Table) -> Statement:
    """An INSERT of all columns of `table` that the database does not number itself."""
    columns = [column for column in table.columns if column.autoincrement is not True]
    names = ", ".join(column.name for column in columns)
    values = ", ".join(f":{column.name}" for column in columns)
    chosen = ", ".join(_from_json(column) for column in columns)
    return Statement(
        f"INSERT INTO {table.name} ({names}) VALUES ({values})",
        f"INSERT INTO {table.name} ({names})"
        f" SELECT {chosen} FROM json_populate_recordset(NULL::{table.name}, :rows)",
    )


def update_each(
    table: str, sets: str, row: str, also: str = "", *, returning: str = "", in_turn: bool = False
) -> Statement:
    """An UPDATE of single rows, and its `batch`, from one text.

    row        the values of one call with their types, its key first
    sets       what is set, and `also` what else must hold; the values are r.…
    returning  what each changed row gives back, such as `columns_of` its table
    in_turn    lock the rows in the order of their keys before any is changed, so that two
               batches cannot wait for each other; `also` then names no values
    """
    key = row.split()[0]
    returning = f" RETURNING {returning}" if returning else ""
    sql = f"UPDATE {table} SET {sets} WHERE {table}.{key} = r.{key}{also}"
    return Statement(
        _VALUE.sub(r":\1", sql) + returning, _update_many(table, sets, row, also, in_turn) + returning
    )


def _update_many(table: str, sets: str, row: str, also: str, in_turn: bool) -> str:
    """The keys are named twice: the planner cannot know how few rows come in, and would rather read the
    whole index of a table that is small as yet."""
    key = row.split()[0]
    wanted, held = f"{table}.{key} = ANY (ARRAY(SELECT {key} FROM r)){also}", ""
    if in_turn:
        held = f", held AS MATERIALIZED (SELECT {key} FROM {table} WHERE {wanted} ORDER BY {key} FOR UPDATE)"
        wanted = f"{table}.{key} = ANY (ARRAY(SELECT {key} FROM held)){also}"
    return (
        f"WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset(:rows) AS r ({row})){held}"
        f" UPDATE {table} SET {sets} FROM r WHERE {table}.{key} = r.{key}"
        f" AND {wanted}"
    )


def columns_of(table: Any) -> str:
    """All columns under their full names; UUIDs as text, whatever SQLAlchemy has told the driver."""
    return ", ".join(
        f"CAST({column} AS text)" if is_uuid(column) else str(column) for column in table.columns
    )


def is_uuid(column: Column[Any]) -> bool:
    """Whether PostgreSQL keeps it as a UUID."""
    return isinstance(column.type.dialect_impl(_POSTGRESQL), postgresql.UUID)


def _from_json(column: Column[Any]) -> str:
    """A JSON column comes as text, as it would in a single INSERT, and is unwrapped."""
    return f"CAST({column.name} #>> '{{}}' AS json)" if isinstance(column.type, JSON) else column.name


def binders(table: Table, dialect: Dialect) -> Binders:
    """How Python values become what the driver takes, for those columns where they differ."""
    found: Binders = {}
    for column in table.columns:
        bind = column.type.dialect_impl(dialect).bind_processor(dialect)
        # PostgreSQL's driver takes moments as they are; the processor would only pass them through.
        if bind is not None and not (dialect.name == "postgresql" and column.type.python_type is datetime):
            found[column.name] = bind
    return found


def tallied(gathered: Iterable[Tallies]) -> list[Call]:
    """One call for each key of all tallies, in the order of the keys."""
    sums: Tallies = {}
    for tallies in gathered:
        for at, change in tallies.items():
            sums[at] = sums.get(at, 0) + change
    in_turn = sorted(sums.items(), key=lambda tallied: tallied[0][1])
    return [(statement, dict(key) | {"change": change}) for (statement, key), change in in_turn]


def merged(units: Sequence[Sequence[Call]]) -> list[Call]:
    """The calls of several units, each unit's own in its order, so that like ones stand together."""
    alike: dict[tuple[Statement, ...], list[Sequence[Call]]] = {}
    for calls in units:
        alike.setdefault(tuple(statement for statement, _ in calls), []).append(calls)
    return [call for group in alike.values() for column in zip(*group, strict=True) for call in column]


def run_postgresql(connection: Any, calls: Sequence[Call], first: bytes = b"", last: bytes = b"") -> Any:
    """Send all calls as one message and return the cursor, which stands on the last one's rows.

    On a connection in autocommit mode the message is one transaction: "when a
    simple Query message contains more than one SQL statement, those statements
    are executed as a single transaction" (PostgreSQL manual, 55.2.2.1). `first`
    and `last`, such as BEGIN and COMMIT, go with the message.
    """
    calls = _in_batches(calls)
    prepared: set[str] = connection.info_of_statements
    fresh = {s.label: s for s, _ in calls if s.label not in prepared}
    cursor = connection.cursor()
    for statement in fresh.values():
        cursor.execute(statement.prepare)
        prepared.add(statement.label)
    parts = [first] if first else []
    for statement, values in calls:
        parts.append(statement.execute.encode())
        if statement.names:
            arguments = [values[name] for name in statement.names]
            marks = "(" + ",".join(["%s"] * len(arguments)) + ")"
            parts[-1] += cursor.mogrify(marks, arguments)
    cursor.execute(b";".join([*parts, last] if last else parts))
    return cursor


def _in_batches(calls: Sequence[Call]) -> list[Call]:
    """Neighbours that can be batched as one call. Quoting each value costs several times as much."""
    batched: list[Call] = []
    for statement, group in itertools.groupby(calls, key=lambda call: call[0]):
        if statement.batch is None:
            batched.extend(group)
        else:
            width = len(statement.names)
            rows = [
                values if len(values) == width else {name: values[name] for name in statement.names}
                for _, values in group
            ]
            batched.append((statement.batch, {"rows": orjson.dumps(rows).decode()}))
    return batched


def run_sqlite(connection: Any, calls: Sequence[Call]) -> Any:
    """Run the calls one by one on a connection that is in a transaction, or in none."""
    cursor = connection.cursor()
    for statement, values in calls:
        cursor.execute(statement.sqlite, values)
    return cursor


def moment(value: datetime | str) -> datetime:
    """An instant as a raw row holds it: aware from PostgreSQL, fixed-width text from SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.strptime(value, _SQLITE_TIME).replace(tzinfo=UTC)
