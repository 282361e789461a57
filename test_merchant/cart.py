"""The cart: which things and how many, in a signed cookie. It holds no prices; the catalogue has them."""

from flask import session

from test_merchant.catalogue import ITEMS, Item, Line, line

MOST = 9
ORDERS_REMEMBERED = 10


def lines() -> tuple[Line, ...]:
    """In the order of the shelf; what is no longer sold has left the cart."""
    return tuple(line(item, quantity) for item in ITEMS.values() if (quantity := _quantities().get(item.id)))


def count() -> int:
    return sum(line.quantity for line in lines())


def add(item: Item, quantity: int) -> None:
    put(item, min(_quantities().get(item.id, 0) + quantity, MOST))


def put(item: Item, quantity: int) -> None:
    """Make it so many; none takes the thing out."""
    session["cart"] = {**_quantities(), item.id: quantity}


def check_out(order_id: str, bought: tuple[Line, ...]) -> None:
    """Remember the order for this browser; the cart is empty then, unless it holds something else."""
    session["orders"] = [order_id, *(known for known in orders() if known != order_id)][:ORDERS_REMEMBERED]
    if lines() == bought:
        session.pop("cart", None)


def orders() -> list[str]:
    """The ids of what this browser ordered, the newest first."""
    known: list[str] = session.get("orders", [])
    return known


def _quantities() -> dict[str, int]:
    quantities: dict[str, int] = session.get("cart", {})
    return quantities
