"""Orders: what a merchant wants to be paid."""

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.core import clock, crypto, lookups, money, rows
from gateway.core.db import add_row
from gateway.core.errors import BadRequest, NotFound
from gateway.core.ids import is_id, new_id
from gateway.core.lookups import Lookup
from gateway.core.validation import Amount, Body, Text
from gateway.domain.merchants import Shopfront
from gateway.models import Order
from gateway.models.orders import Payable

MAX_NOTES = 15

_AS_PAYABLE = Lookup(Order, "id, merchant_id, amount, currency, status", "id")


def _currency(code: str) -> str:
    if code not in money.EXPONENTS:
        raise ValueError("must be an ISO 4217 currency code such as INR")
    return code


NoteText = Annotated[Text, Field(max_length=256)]


class OrderBody(Body):
    """What a merchant says about an order."""

    amount: Amount
    currency: Annotated[Text, AfterValidator(_currency)] = money.DEFAULT_CURRENCY
    receipt: Annotated[Text, Field(max_length=255)] | None = None
    notes: Annotated[dict[NoteText, NoteText], Field(max_length=MAX_NOTES)] | None = None


def create(merchant_id: str, body: OrderBody) -> Order:
    """A new order, `created`.

    raises  BadRequest  the amount is under the currency's minimum
    """
    least = money.minimum(body.currency)
    if body.amount < least:
        raise BadRequest(f"amount must be at least {least}", field="amount")
    now = clock.now()
    order = rows.new(
        Order,
        id=new_id("order"),
        merchant_id=merchant_id,
        amount=body.amount,
        currency=body.currency,
        receipt=body.receipt,
        notes=dict(body.notes) if body.notes else None,
        created_at=now,
        updated_at=now,
    )
    add_row(Order, **vars(order))
    return order


def get(merchant_id: str, order_id: str) -> Order:
    """This merchant's order. Raises NotFound for anybody else's."""
    order = rows.find(Order, order_id) if is_id("order", order_id) else None
    if order is None or order.merchant_id != merchant_id:
        raise NotFound("Order not found")
    return order


def find(order_id: str, merchant_id: str | None = None) -> Payable:
    """An order as the checkout sees it; with `merchant_id`, only if it is theirs.

    raises  NotFound  no such order, or somebody else's
    """
    row = _AS_PAYABLE.find(order_id) if is_id("order", order_id) else None
    if row is None or (merchant_id is not None and row[1] != merchant_id):
        raise NotFound("Order not found")
    return Payable(*row)


def ahead(order_id: object) -> AbstractContextManager[None]:
    """Look for this order along with whatever the block looks for first: `find` has it already."""
    is_one = isinstance(order_id, str) and is_id("order", order_id)
    return lookups.ahead(_AS_PAYABLE, str(order_id)) if is_one else nullcontext()


def checkout_token(order_id: str) -> str:
    """What lets a payer to this order's checkout where its merchant wants more than the id.

    A keyed hash of the id: nothing is stored, and who knows one learns no other.
    """
    return crypto.keyed_hash("checkout_token", order_id.encode())


def admit(order: Payable, shop: Shopfront, token: str | None) -> None:
    """Refuse a payer who brought only an id to a merchant who wants the order's token, too.

    raises  BadRequest  it is missing or another order's
    """
    if shop.requires_token and not crypto.equal(token or "", checkout_token(order.id)):
        raise BadRequest(
            "This shop needs the order's checkout_token besides its id",
            field="checkout_token",
            reason="checkout_token_required",
        )
