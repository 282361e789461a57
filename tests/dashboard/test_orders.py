"""Orders: made on a page, shared as a link, watched."""

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.db import transaction
from gateway.domain import merchants, orders, search
from tests.conftest import Person
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/orders"


def ids_on(visit: Visit, address: str) -> list[str]:
    answer = visit.get(address)
    assert answer.status_code == 200, answer.text
    return re.findall(r'<tr[^>]*data-order-id="(order_\w+)"', answer.text)


def test_an_order_is_made_as_the_api_makes_it(visit: Visit, merchant: Person) -> None:
    answer = visit.post(
        PAGE,
        form_id="form_1",
        amount_text="1,23,456.50",
        currency="INR",
        receipt="R-1",
        description="A lamp",
        notes_text="colour: blue: dark\n\n size :M",
    )
    assert answer.status_code == 303
    order_id = answer.headers["Location"].rsplit("/", 1)[1]
    order = merchant.get(f"/orders/{order_id}").json
    assert (order["amount"], order["currency"], order["receipt"]) == (12345650, "INR", "R-1")
    assert order["notes"] == {"description": "A lamp", "colour": "blue: dark", "size": "M"}
    text = visit.get(answer.headers["Location"]).text
    assert "₹1,23,456.50" in text and "blue: dark" in text
    assert "The order is made" in text


def test_the_same_form_twice_is_one_order(visit: Visit, rows: Callable) -> None:
    fields = {"form_id": "form_1", "amount_text": "10", "currency": "INR"}
    first, second = visit.post(PAGE, **fields), visit.post(PAGE, **fields)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(rows("SELECT * FROM orders")) == 1
    visit.post(PAGE, **fields | {"amount_text": "11"})
    visit.post(PAGE, **fields | {"form_id": "form_2"})
    assert len(rows("SELECT * FROM orders")) == 3


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"amount_text": ""}, "amount_text", "Enter an amount"),
        ({"amount_text": "0.99"}, "amount_text", "The least is ₹1.00"),
        ({"amount_text": "9.5", "currency": "KRW"}, "amount_text", "KRW has no decimals"),
        ({"amount_text": "999", "currency": "KRW"}, "amount_text", "The least is KRW 1,000"),
        ({"currency": "XXX"}, "currency", "Choose a currency"),
        ({"receipt": "x" * 256}, "receipt", "Must have at most 255 characters"),
        ({"description": "x" * 257}, "description", "Must have at most 256 characters"),
        ({"notes_text": "a: b\nno colon"}, "notes_text", "Line 2 needs a name, a colon and a value"),
        ({"notes_text": "\n".join(f"n{n}: v" for n in range(16))}, "notes_text", "Must have at most 15"),
        ({"notes_text": f"long: {'v' * 257}"}, "notes_text", "Must have at most 256 characters"),
    ],
)
def test_what_does_not_do_is_told_beside_its_field_and_stays_typed(
    visit: Visit, rows: Callable, changes: dict[str, str], field: str, words: str
) -> None:
    typed = {"form_id": "form_1", "amount_text": "10", "currency": "INR", "receipt": "R-9"} | changes
    answer = visit.post(PAGE, **typed)
    assert answer.status_code == 400
    note = re.search(rf'data-test-id="{field}-error">.*?</p>', answer.text, re.S)
    assert note is not None and words in note[0]
    assert f'value="{typed["receipt"]}"' in answer.text and 'value="form_1"' in answer.text
    assert rows("SELECT * FROM orders") == []


def test_a_viewer_looks_and_makes_none(viewer: Visit, developer: Visit, merchant: Person) -> None:
    order = merchant.order()
    text = viewer.get(PAGE).text
    assert order["id"] in text and "create-order-link" not in text
    assert viewer.get(f"{PAGE}/new").status_code == 403
    assert viewer.post(PAGE, amount_text="10", currency="INR").status_code == 403
    assert "create-order-link" in developer.get(PAGE).text
    assert developer.post(PAGE, amount_text="10", currency="INR").status_code == 303


def test_a_rival_finds_nothing(rival_visit: Visit, merchant: Person) -> None:
    order = merchant.order()
    for path in ("", "/state"):
        assert rival_visit.get(f"{PAGE}/{order['id']}{path}").status_code == 404
    assert ids_on(rival_visit, PAGE) == ids_on(rival_visit, f"{PAGE}?q={order['id']}") == []
    assert "No orders yet" in rival_visit.get(PAGE).text


def test_an_unpaid_order_has_a_link_and_its_qr(visit: Visit, merchant: Person, config: Config) -> None:
    order = merchant.order()
    text = visit.get(f"{PAGE}/{order['id']}").text
    link = f"{config.checkout_url}/checkout?order_id={order['id']}"
    assert f'data-test-id="payment-link">{link}</code>' in text
    picture = re.search(r'<img class="qr" src="data:image/svg\+xml([^"]+)"', text)
    assert picture is not None
    assert "hx-trigger" in text and "style=" not in text


def test_a_link_carries_the_token_where_the_merchant_wants_one(
    visit: Visit, merchant: Person, visitor: FlaskClient, config: Config
) -> None:
    order = merchant.order()
    with transaction():
        merchants.require_checkout_token(merchant.merchant_id, "tests", True)
    text = visit.get(f"{PAGE}/{order['id']}").text
    link = html.unescape(re.search(r'data-test-id="payment-link">([^<]+)<', text)[1])
    assert link == (
        f"{config.checkout_url}/checkout?order_id={order['id']}"
        f"&checkout_token={orders.checkout_token(order['id'])}"
    )
    path = link.removeprefix(config.checkout_url)
    assert order["id"] in visitor.get(path).text


def test_a_paid_order_needs_no_link_and_shows_who_paid_it(
    visit: Visit, merchant: Person, settle: Callable[[], int], config: Config
) -> None:
    settings.use(replace(config, repeat_payments=False))
    order = merchant.order(notes={"table": "7"})
    payment = merchant.pay(order)
    settle()
    text = visit.get(f"{PAGE}/{order['id']}").text
    assert "paid" in text and f'data-payment-id="{payment["id"]}"' in text
    assert "payment-link" not in text and "hx-trigger" not in text
    assert '<dt>table</dt><dd data-test-id="note">7</dd>' in text


def test_orders_are_found_and_filtered(visit: Visit, merchant: Person, settle: Callable[[], int]) -> None:
    first = merchant.order(amount=10000, receipt="INV-1")
    payment = merchant.pay(first)
    settle()
    second = merchant.order(amount=20000, receipt="INV-2")
    assert ids_on(visit, PAGE) == [second["id"], first["id"]]
    assert ids_on(visit, f"{PAGE}?sort=smallest") == [first["id"], second["id"]]
    assert ids_on(visit, f"{PAGE}?status=paid") == [first["id"]]
    for text in (first["id"], payment["id"], "inv-1"):
        assert ids_on(visit, f"{PAGE}?q={text}") == [first["id"]]
    assert ids_on(visit, f"{PAGE}?q=nothing") == []
    assert "Nothing matches" in visit.get(f"{PAGE}?q=nothing").text


def test_pages_of_orders_turn(visit: Visit, merchant: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE_ROWS", 2)
    made = [merchant.order()["id"] for _ in range(3)]
    first = visit.get(PAGE).text
    onward = re.search(r'rel="next" href="([^"]+)"', first)
    assert onward is not None
    rest = ids_on(visit, PAGE + onward[1])
    assert sorted(ids_on(visit, PAGE) + rest) == sorted(made)


def test_a_poll_of_orders_is_a_fragment(visit: Visit, merchant: Person) -> None:
    order = merchant.order()
    for path in ("/rows", f"/{order['id']}/state"):
        answer = visit.get(PAGE + path)
        assert "<html" not in answer.text
        again = visit.get(PAGE + path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
