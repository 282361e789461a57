"""Lists of a merchant's own rows: newest first, a page at a time, as quick at a million rows as at ten.

`after` continues behind a row by its place in the index; `offset` counts rows
off and is as slow as it is deep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, func, literal, select, tuple_

from gateway.core import clock
from gateway.core.db import session
from gateway.core.errors import BadRequest
from gateway.core.ids import is_uuid
from gateway.models import Delivery, Order, Payment, Refund

Row = TypeVar("Row", Order, Payment, Refund, Delivery)

# Up to here a total is simply counted.
_FEW = 1000
# Rows younger than this may still be on their way to their commit.
_SETTLED = timedelta(minutes=1)


@dataclass(frozen=True)
class Wanted:
    """Which page: `after` an id, or behind `offset` rows; equal to `where`, created from … to ….

    A page that is not `counted` has no total.
    """

    limit: int = 10
    offset: int = 0
    after: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    created_from: datetime | None = None
    created_to: datetime | None = None
    counted: bool = True


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`total` is null behind `after`, and where it was not wanted: counting may cost more than the page."""

    rows: Sequence[Row]
    has_more: bool
    total: int | None


def page(model: type[Row], merchant_id: str, wanted: Wanted) -> Page[Row]:
    """One page of this merchant's rows of a table.

    raises  BadRequest  `after` names no row of theirs
    """
    own = model.merchant_id == merchant_id
    conditions = [own, *_filters(model, wanted)]
    query = (
        select(model)
        .where(*conditions)
        .order_by(model.created_at.desc(), model.id.desc())
        .limit(wanted.limit + 1)
    )
    if wanted.after is not None:
        query = query.where(_is_behind(model, own, wanted.after))
    else:
        query = query.offset(wanted.offset)
    total = None
    if wanted.counted and wanted.after is None:
        total = _count(conditions) if len(conditions) > 1 else total_of(model, merchant_id)
    rows = session().scalars(query).all()
    return Page(rows[: wanted.limit], len(rows) > wanted.limit, total)


def latest(model: type[Row], merchant_id: str, limit: int, **where: str) -> Sequence[Row]:
    """The newest few rows, without counting the rest."""
    query = select(model).where(model.merchant_id == merchant_id, *_filters(model, Wanted(where=where)))
    return session().scalars(query.order_by(model.created_at.desc(), model.id.desc()).limit(limit)).all()


def count_up_to(
    most: int, merchant_id: str, **wanted: tuple[type[Order | Payment | Refund | Delivery], str]
) -> dict[str, int]:
    """How many rows there are of each table and status asked for, or `most` when there are more.

    So what counting costs has a bound. One question: `late=(Delivery, "failed"), new=(Order, "created")`.
    """
    counts = [
        select(func.count())
        .select_from(
            select(model.id)
            .where(model.merchant_id == merchant_id, model.status == status)
            .limit(most)
            .subquery()
        )
        .scalar_subquery()
        .label(name)
        for name, (model, status) in wanted.items()
    ]
    return dict(session().execute(select(*counts)).one()._mapping)


def _filters(model: Any, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [getattr(model, name) == value for name, value in wanted.where.items()]
    if wanted.created_from is not None:
        found.append(model.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(model.created_at < wanted.created_to)
    return found


def _is_behind(model: Any, own: ColumnElement[bool], after: str) -> ColumnElement[bool]:
    # PostgreSQL compares a uuid with nothing that does not look like one.
    is_possible = model is not Delivery or is_uuid(after)
    found = select(model.created_at, model.id).where(model.id == after, own)
    place = session().execute(found).first() if is_possible else None
    if place is None:
        raise BadRequest("after must be the id of a row of this list", field="after")
    # Compared as one row value, which is what lets the index begin at this very place.
    behind: ColumnElement[bool] = tuple_(model.created_at, model.id) < tuple_(
        literal(place[0], model.created_at.type), literal(place[1])
    )
    return behind


def _count(conditions: Sequence[ColumnElement[bool]]) -> int:
    return session().scalar(select(func.count()).where(*conditions)) or 0


_counted: dict[tuple[str, str], tuple[int, datetime]] = {}


def total_of(model: Any, merchant_id: str) -> int:
    """How many rows the merchant has: exact, and cheap because what was counted once is remembered.

    Rows are never deleted, so only those that came after the last count have to
    be counted again.
    """
    own = model.merchant_id == merchant_id
    count, up_to = _counted.get((model.__tablename__, merchant_id), (0, None))
    if up_to is None:
        few = session().scalar(
            select(func.count()).select_from(select(model.id).where(own).limit(_FEW + 1).subquery())
        )
        if few is not None and few <= _FEW:
            return few
    is_new = own if up_to is None else own & (model.created_at > up_to)
    tail = _count([is_new])
    if tail > _FEW:
        settled = clock.now() - _SETTLED
        settled_count = count + _count([is_new, model.created_at <= settled])
        _counted[model.__tablename__, merchant_id] = (settled_count, settled)
    return count + tail
