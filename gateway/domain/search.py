"""What pages look up: rows by whatever a person remembers of them, sorted, a page at a time, or all of them.

The API's lists (`listing`) answer programs. These answer people: one field that
understands what was typed, ranges of dates and amounts, an order of one's
choice, and a way back to the page before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, case, false, literal, or_, select, tuple_

from gateway.core.db import reading, session
from gateway.core.errors import BadRequest
from gateway.core.ids import is_id
from gateway.core.money import EXPONENTS
from gateway.models import Order, Payment, Refund

Row = TypeVar("Row", Payment, Order, Refund)

PAGE_ROWS = 25
EXPORT_BATCH_ROWS = 1000
MAX_TEXT_LENGTH = 255

# How a list may be sorted: by which value, and whether the greatest comes first.
SORTS = {
    "newest": ("created_at", True),
    "oldest": ("created_at", False),
    "largest": ("amount", True),
    "smallest": ("amount", False),
}

# Amounts of all currencies are compared in thousandths of a unit: ¥500 is as much as ₹500.00.
_FACTORS: dict[int, int] = {exponent: 10 ** (3 - exponent) for exponent in (0, 2, 3)}
_CODES = {exponent: [code for code, e in EXPONENTS.items() if e == exponent] for exponent in (0, 3)}


@dataclass(frozen=True)
class Sought:
    """What somebody is looking for.

    text         an id, a receipt, a UPI address, the last four digits of a card
    where        columns and the word that each must be
    created_…    from a moment, up to but without another
    least, most  in thousandths of a unit, whatever the currency
    after        the id of the row behind which the page begins
    before       the id of the row in front of which it ends
    """

    text: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None
    created_to: datetime | None = None
    least: int | None = None
    most: int | None = None
    sort: str = "newest"
    after: str | None = None
    before: str | None = None

    @property
    def is_everything(self) -> bool:
        return replace(self, sort="newest", after=None, before=None) == Sought()

    @property
    def is_quick(self) -> bool:
        """Whether the index alone answers it, so that it may be asked every other second."""
        found = replace(self, where={}, after=None, before=None, created_from=None, created_to=None)
        return found == Sought()


@dataclass(frozen=True)
class Found(Generic[Row]):
    """One page: `older` and `newer` are the ids to go on from, None where there is nothing more."""

    rows: Sequence[Row]
    older: str | None
    newer: str | None


def page(model: type[Row], merchant_id: str, sought: Sought) -> Found[Row]:
    """One page of this merchant's rows that match.

    raises  BadRequest  `after` or `before` names no row of theirs
    """
    if sought.before is not None:
        found = _page_before(model, merchant_id, sought)
        # With nothing in front of it this is the first page, which is always a full one.
        return found or page(model, merchant_id, replace(sought, before=None, after=None))
    query = select(model).where(*_conditions(model, merchant_id, sought)).order_by(*_order(model, sought))
    if sought.after is not None:
        query = query.where(_is_beyond(model, merchant_id, sought, sought.after))
    rows = session().scalars(query.limit(PAGE_ROWS + 1)).all()
    shown = rows[:PAGE_ROWS]
    has_more = len(rows) > PAGE_ROWS
    newer = shown[0].id if shown and sought.after is not None else None
    return Found(shown, shown[-1].id if has_more else None, newer)


def _page_before(model: type[Row], merchant_id: str, sought: Sought) -> Found[Row] | None:
    """The page in front of a row, or None where that is the first one."""
    assert sought.before is not None
    backwards = {"newest": "oldest", "oldest": "newest", "largest": "smallest", "smallest": "largest"}
    turned = replace(sought, sort=backwards[sought.sort])
    query = (
        select(model)
        .where(
            *_conditions(model, merchant_id, sought),
            _is_beyond(model, merchant_id, turned, sought.before),
        )
        .order_by(*_order(model, turned))
        .limit(PAGE_ROWS + 1)
    )
    rows = session().scalars(query).all()
    if len(rows) <= PAGE_ROWS:
        return None
    shown = rows[:PAGE_ROWS][::-1]
    return Found(shown, shown[-1].id, shown[0].id)


def batches(merchant_id: str, sought: Sought) -> Iterator[Sequence[tuple[Payment, str | None]]]:
    """All payments that match, newest first, each with its order's receipt; some at a time.

    Each batch is read by itself, so a million rows need the memory of one batch
    and hold no transaction open while somebody's network is slow.
    """
    sought = replace(sought, sort="newest", after=None, before=None)
    while True:
        with reading():
            batch = _batch(merchant_id, sought)
        if batch:
            yield batch
        if len(batch) < EXPORT_BATCH_ROWS:
            return
        sought = replace(sought, after=batch[-1][0].id)


def _batch(merchant_id: str, sought: Sought) -> Sequence[tuple[Payment, str | None]]:
    query = (
        select(Payment, Order.receipt)
        .join(Order, Order.id == Payment.order_id)
        .where(*_conditions(Payment, merchant_id, sought))
        .order_by(*_order(Payment, sought))
        .limit(EXPORT_BATCH_ROWS)
    )
    if sought.after is not None:
        query = query.where(_is_beyond(Payment, merchant_id, sought, sought.after))
    return [(row[0], row[1]) for row in session().execute(query)]


def kind(text: str) -> str | None:
    """What a search text is taken for, in words; None for an empty one."""
    for prefix, words in (("pay", "payment id"), ("order", "order id"), ("rfnd", "refund id")):
        if is_id(prefix, text):
            return words
    if "@" in text:
        return "UPI address"
    if _is_last4(text):
        return "last four digits or receipt"
    return "receipt" if text else None


def _is_last4(text: str) -> bool:
    return len(text) == 4 and text.isascii() and text.isdecimal()


def _conditions(model: Any, merchant_id: str, sought: Sought) -> list[ColumnElement[bool]]:
    found = [model.merchant_id == merchant_id]
    found += [getattr(model, name) == word for name, word in sought.where.items()]
    if sought.text:
        found.append(_means(model, merchant_id, sought.text))
    if sought.created_from is not None:
        found.append(model.created_at >= sought.created_from)
    if sought.created_to is not None:
        found.append(model.created_at < sought.created_to)
    if sought.least is not None:
        found.append(_worth(model) >= sought.least)
    if sought.most is not None:
        found.append(_worth(model) <= sought.most)
    return found


def _means(model: Any, merchant_id: str, text: str) -> ColumnElement[bool]:
    if "\0" in text or len(text) > MAX_TEXT_LENGTH:
        return false()
    if model is Payment:
        return _means_payment(merchant_id, text)
    return _means_order(text) if model is Order else _means_refund(text)


def _means_payment(merchant_id: str, text: str) -> ColumnElement[bool]:
    if is_id("pay", text):
        return Payment.id == text
    if is_id("order", text):
        return Payment.order_id == text
    if is_id("rfnd", text):
        return Payment.id.in_(select(Refund.payment_id).where(Refund.id == text))
    if "@" in text:
        return Payment.vpa.istartswith(text, autoescape=True)
    ordered = select(Order.id).where(
        Order.merchant_id == merchant_id, Order.receipt.istartswith(text, autoescape=True)
    )
    by_receipt = Payment.order_id.in_(ordered)
    return or_(by_receipt, Payment.card_last4 == text) if _is_last4(text) else by_receipt


def _means_order(text: str) -> ColumnElement[bool]:
    if is_id("order", text):
        return Order.id == text
    if is_id("pay", text):
        return Order.id.in_(select(Payment.order_id).where(Payment.id == text))
    return Order.receipt.istartswith(text, autoescape=True)


def _means_refund(text: str) -> ColumnElement[bool]:
    if is_id("rfnd", text):
        return Refund.id == text
    return Refund.payment_id == text


def _worth(model: Any) -> ColumnElement[int]:
    factor = case(
        *((model.currency.in_(codes), _FACTORS[exponent]) for exponent, codes in _CODES.items()),
        else_=_FACTORS[2],
    )
    product: ColumnElement[int] = model.amount * factor
    return product


def worth(amount: int, currency: str) -> int:
    """This amount in thousandths of its currency's unit."""
    return amount * _FACTORS[EXPONENTS[currency]]


def _order(model: Any, sought: Sought) -> list[ColumnElement[Any]]:
    by, greatest_first = SORTS[sought.sort]
    columns = [model.created_at if by == "created_at" else _worth(model), model.id]
    return [column.desc() if greatest_first else column.asc() for column in columns]


def _is_beyond(model: Any, merchant_id: str, sought: Sought, row_id: str) -> ColumnElement[bool]:
    """Whether a row comes later than this one in the order that is sought."""
    by, greatest_first = SORTS[sought.sort]
    key = model.created_at if by == "created_at" else _worth(model)
    own = and_(model.id == row_id, model.merchant_id == merchant_id)
    # U+0000, which no database takes, is no row's id.
    place = None if "\0" in row_id else session().execute(select(key, model.id).where(own)).first()
    if place is None:
        raise BadRequest("This page of the list does not exist any more", field="after")
    # Compared as one row value, which is what lets the index begin at this very place.
    here = tuple_(literal(place[0], key.type), literal(place[1]))
    there = tuple_(key, model.id)
    return there < here if greatest_first else there > here


def payments_of(order: Order) -> Sequence[Payment]:
    """The tries to pay this order, newest first."""
    query = (
        select(Payment).where(Payment.order_id == order.id).order_by(Payment.created_at.desc(), Payment.id)
    )
    return session().scalars(query.limit(PAGE_ROWS)).all()


def currencies_of(refunds: Sequence[Refund]) -> dict[str, str]:
    """The currency of each of these refunds, which is its payment's, by the payment's id."""
    ids = {refund.payment_id for refund in refunds}
    rows = session().execute(select(Payment.id, Payment.currency).where(Payment.id.in_(ids)))
    return {row.id: row.currency for row in rows}


def has_any(model: type[Row], merchant_id: str) -> bool:
    """Whether this merchant has even one such row."""
    found = select(model.id).where(model.merchant_id == merchant_id).limit(1)
    return session().scalar(found) is not None
