"""INSERTs of mapped rows without SQLAlchemy's unit of work: one statement a table, made at first use."""

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.orm import DeclarativeBase

from gateway.core import statements
from gateway.core.statements import Binders, Call, Statement

_known: dict[tuple[str, str], tuple[Statement, Binders, dict[str, None]]] = {}


def of_row(row: DeclarativeBase, dialect: Dialect) -> Call:
    statement, binders, _ = _insert_into(row.__table__, dialect)
    # What a new row was given is in its own dictionary; SQLAlchemy's attributes take their time.
    given = row.__dict__
    values = {name: given[name] if name in given else getattr(row, name) for name in statement.names}
    return statement, _bound(values, binders)


def of_values(model: type[DeclarativeBase], given: dict[str, Any], dialect: Dialect) -> Call:
    """A row of these values; what is not given is null."""
    statement, binders, blank = _insert_into(model.__table__, dialect)
    return statement, _bound(blank | given, binders)


def statement_of(model: type[DeclarativeBase], dialect: Dialect) -> Statement:
    """By which rows of this model are told from others."""
    return _insert_into(model.__table__, dialect)[0]


def _insert_into(table: Any, dialect: Dialect) -> tuple[Statement, Binders, dict[str, None]]:
    """The statement, what some of its values have to become first, and a row that holds nothing."""
    known = _known.get((dialect.name, table.name))
    if known is None:
        statement = statements.insert_into(table)
        known = (statement, statements.binders(table, dialect), dict.fromkeys(statement.names))
        _known[dialect.name, table.name] = known
    return known


def _bound(values: dict[str, Any], binders: Binders) -> dict[str, Any]:
    for name, bind in binders.items():
        if name in values:
            values[name] = bind(values[name])
    return values
