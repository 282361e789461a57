"""What the shop sells. The price list is the server's: a browser says which and how many, never how much."""

from dataclasses import dataclass

CURRENCY = "INR"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing on the shelf; `amount` in paise."""

    id: str
    name: str
    amount: int
    lead: str
    facts: dict[str, str]


SHELF = (
    Item(
        "winter-tea",
        "Nilgiri winter tea",
        50_000,
        "Picked in January, when nights are cold and leaves grow slowly. Light, floral, a little honey.",
        {"Tin": "100 g", "Brews": "about 40 cups", "Garden": "Coonoor, 1,850 m"},
    ),
    Item(
        "masala-chai",
        "Masala chai",
        32_000,
        "Strong leaves with green cardamom, ginger, clove and black pepper. Made for milk and a second cup.",
        {"Bag": "250 g", "Brews": "about 80 cups", "Garden": "Kotagiri, 1,790 m"},
    ),
    Item(
        "teapot",
        "Stoneware teapot",
        145_000,
        "Thrown by hand and glazed in the blue of the hills at six in the morning. No two are quite alike.",
        {"Holds": "600 ml", "Strainer": "steel, inside", "Pottery": "Kotagiri"},
    ),
)
ITEMS = {item.id: item for item in SHELF}


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one thing; `amount` in paise is for one of them."""

    item: str
    name: str
    amount: int
    quantity: int


def line(item: Item, quantity: int) -> Line:
    return Line(item.id, item.name, item.amount, quantity)


def total(lines: tuple[Line, ...]) -> int:
    """In paise."""
    return sum(line.amount * line.quantity for line in lines)


def rupees(amount: int) -> str:
    """Paise as people read them. Below a lakh; nothing here is dearer."""
    return f"₹{amount // 100:,}.{amount % 100:02d}"
