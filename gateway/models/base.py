"""What all tables share: naming of constraints, column types, the database's clock."""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import DateTime, Dialect, MetaData, String, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, mapped_column
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator

from gateway.core.statements import as_text, moment

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(TypeDecorator[datetime]):
    """An aware moment in UTC, both ways. SQLite keeps fixed-width text, which sorts as time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return as_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


class seconds_from_now(ColumnElement[datetime]):
    """The database's own clock, some seconds ahead: leases are measured by one clock only."""

    # The seconds are part of the compiled text, so they are part of its cache key.
    inherit_cache = True
    _traverse_internals = [("seconds", InternalTraversal.dp_plain_obj)]
    type = UtcTime()

    def __init__(self, seconds: int = 0) -> None:
        self.seconds = int(seconds)


@compiles(seconds_from_now, "postgresql")
def _postgresql_clock(element: seconds_from_now, _compiler: Any, **_: Any) -> str:
    return f"clock_timestamp() + interval '{element.seconds} seconds'"


@compiles(seconds_from_now, "sqlite")
def _sqlite_clock(element: seconds_from_now, _compiler: Any, **_: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '{element.seconds} seconds') || '000'"


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True, repr=False):
    """Rows are made with keywords and have all their values before any database saw them."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcTime()}


UUID = String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")

uuid_key = Annotated[str, mapped_column(UUID, primary_key=True)]
public_key = Annotated[str, mapped_column(String(24), primary_key=True)]


def one_of(column: str, *values: str) -> str:
    """The text of a CHECK that a column holds one of these words."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
