"""Rows that are not mapped, read by prepared statements or new: for the verbs that every payment runs."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from sqlalchemy.orm import DeclarativeBase

from gateway.core import db
from gateway.core.lookups import Lookup

Row = TypeVar("Row", bound=DeclarativeBase)
Reader = Callable[[Any], Any]


def find(model: type[Row], row_id: str) -> Row | None:
    """The row with all columns of `model` as attributes, as it was a moment ago; None where there is none."""
    values = _by_id(model).find(row_id)
    return None if values is None else of(model, values)


def new(model: type[Row], **values: Any) -> Row:
    """A row with its model's defaults; `add_row(model, **vars(row))` puts it into the database."""
    return cast(Row, SimpleNamespace(**(_defaults(model) | values)))


@lru_cache
def _defaults(model: type[DeclarativeBase]) -> dict[str, Any]:
    table: Any = model.__table__
    return {
        column.name: None if column.default is None else column.default.arg
        for column in table.columns
        if column.autoincrement is not True
    }


def of(model: type[Row], values: Sequence[Any]) -> Row:
    """What `columns(model)` gave, in that order, as attributes."""
    names, readers = _reading(model, db.engine().dialect)
    found = dict(zip(names, values, strict=True))
    for name, read in readers.items():
        found[name] = read(found[name])
    return cast(Row, SimpleNamespace(**found))


def columns(model: type[DeclarativeBase]) -> str:
    return ", ".join(column.name for column in model.__table__.columns)


@lru_cache
def _by_id(model: type[DeclarativeBase]) -> Lookup:
    return Lookup(model, columns(model), "id")


@lru_cache
def _reading(model: type[DeclarativeBase], dialect: Any) -> tuple[list[str], dict[str, Reader]]:
    table: Any = model.__table__
    readers: dict[str, Reader] = {}
    # PostgreSQL's driver gives moments, truth values and JSON as such; SQLite's knows text and numbers.
    for column in table.columns if dialect.name == "sqlite" else ():
        read = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if read is not None:
            readers[column.name] = read
    return [column.name for column in table.columns], readers
