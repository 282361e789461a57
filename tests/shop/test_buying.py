"""From the shelf to an order that waits to be paid."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from test_merchant.cart import MOST
from test_merchant.catalogue import SHELF, rupees
from tests.shop.conftest import CHECKOUT_URL, OpenShop, ScriptedGateway

TEA, CHAI, POT = "winter-tea", "masala-chai", "teapot"
KEY = "k" * 22


def add(buyer: FlaskClient, item: str, quantity: int | str = 1) -> TestResponse:
    return buyer.post("/cart", data={"item": item, "quantity": quantity})


def buy(buyer: FlaskClient, key: str = KEY, **form: Any) -> TestResponse:
    return buyer.post("/buy", data={"buy_key": key, "item": TEA, **form})


def key_of(page: TestResponse) -> str:
    [key] = re.findall(r'name="buy_key" value="([\w-]+)"', page.text)
    return str(key)


def in_cart(buyer: FlaskClient) -> dict[str, int]:
    page = buyer.get("/cart").text
    items = re.findall(r'data-test-id="cart-line" data-item="([\w-]+)"', page)
    quantities = re.findall(r'name="quantity" value="(\d+)"', page)
    return dict(zip(items, map(int, quantities), strict=True))


def shown(page: TestResponse, test_id: str) -> list[str]:
    """The texts of the elements with this data-test-id."""
    found = re.findall(rf'data-test-id="{test_id}"[^>]*>(.*?)</(?:span|dd|code|a|p)>', page.text, re.S)
    return [unescape(re.sub(r"<.*?>", "", text)).strip() for text in found]


class TestTheShelf:
    def test_three_things_stand_on_it_with_their_prices(self, buyer: FlaskClient) -> None:
        page = buyer.get("/")
        assert re.findall(r'data-test-id="shelf-item" data-item="([\w-]+)"', page.text) == [TEA, CHAI, POT]
        assert shown(page, "price") == ["₹500.00", "₹320.00", "₹1,450.00"]

    @pytest.mark.parametrize("item", SHELF, ids=lambda item: item.id)
    def test_each_has_a_page_and_a_picture(self, buyer: FlaskClient, item: Any) -> None:
        page = buyer.get(f"/items/{item.id}")
        assert item.name in page.text
        assert shown(page, "price") == [rupees(item.amount)]
        picture = buyer.get(f"/static/{item.id}.svg")
        assert (picture.status_code, picture.mimetype) == (200, "image/svg+xml")

    def test_what_is_not_sold_here_is_not_found(self, buyer: FlaskClient) -> None:
        answers = [buyer.get("/items/coffee"), buyer.post("/cart/coffee", data={"remove": "yes"})]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert "There is nothing here" in answers[0].text

    def test_each_showing_of_a_pay_button_has_a_key_of_its_own(self, buyer: FlaskClient) -> None:
        add(buyer, TEA)
        pages = [buyer.get(path) for path in (f"/items/{TEA}", f"/items/{TEA}", "/cart", "/cart")]
        assert len({key_of(page) for page in pages}) == 4
        assert {page.headers["Cache-Control"] for page in pages} == {"no-store"}


class TestTheCart:
    def test_it_is_empty_and_says_so(self, buyer: FlaskClient) -> None:
        assert 'data-test-id="empty-cart"' in buyer.get("/cart").text

    def test_it_holds_what_was_added_and_knows_the_total(self, buyer: FlaskClient) -> None:
        answer = add(buyer, TEA, 2)
        assert (answer.status_code, answer.location) == (303, "/cart")
        add(buyer, POT)
        add(buyer, TEA)
        assert in_cart(buyer) == {TEA: 3, POT: 1}
        page = buyer.get("/cart")
        assert shown(page, "cart-total") == ["₹2,950.00"]
        assert shown(page, "cart-count") == ["4"]

    def test_a_quantity_is_changed_and_a_thing_removed(self, buyer: FlaskClient) -> None:
        add(buyer, TEA, 2)
        add(buyer, POT)
        assert buyer.post(f"/cart/{TEA}", data={"quantity": "5"}).status_code == 303
        # The quantity's field belongs to the same form as the button.
        assert buyer.post(f"/cart/{POT}", data={"quantity": "1", "remove": "yes"}).status_code == 303
        assert in_cart(buyer) == {TEA: 5}

    def test_no_more_fits_in_than_the_shop_would_pack(self, buyer: FlaskClient) -> None:
        add(buyer, TEA, MOST)
        add(buyer, TEA, MOST)
        assert in_cart(buyer) == {TEA: MOST}

    @pytest.mark.parametrize("quantity", ["0", "-1", str(MOST + 1), "1.5", "", "²", "1" * 5000])
    def test_a_quantity_that_is_none_is_refused(self, buyer: FlaskClient, quantity: str) -> None:
        add(buyer, TEA, 2)
        answers = [add(buyer, TEA, quantity), buyer.post(f"/cart/{TEA}", data={"quantity": quantity})]
        answers.append(buy(buyer, quantity=quantity))
        assert [answer.status_code for answer in answers] == [400, 400, 400]
        assert in_cart(buyer) == {TEA: 2}

    def test_two_buyers_have_two_carts(self, buyer: FlaskClient) -> None:
        add(buyer, TEA)
        assert in_cart(buyer.application.test_client()) == {}

    def test_a_cart_that_somebody_wrote_himself_is_empty(self, buyer: FlaskClient) -> None:
        add(buyer, TEA)
        cookie = buyer.get_cookie("blue_hill_tea")
        assert cookie is not None
        buyer.set_cookie("blue_hill_tea", "x" + cookie.value)
        assert in_cart(buyer) == {}

    def test_it_survives_a_restart_of_the_shop(self, buyer: FlaskClient, open_shop: OpenShop) -> None:
        add(buyer, POT, 2)
        cookie = buyer.get_cookie("blue_hill_tea")
        assert cookie is not None
        after = open_shop()
        after.set_cookie("blue_hill_tea", cookie.value)
        assert in_cart(after) == {POT: 2}


class TestBuying:
    def test_it_makes_an_order_whose_page_leads_to_the_checkout(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        answer = buy(buyer)
        assert (answer.status_code, answer.location) == (303, "/orders/order_0000000000000000#pay")
        hosted = f'href="{CHECKOUT_URL}/checkout?order_id=order_0000000000000000"'
        assert hosted in buyer.get(answer.location).text
        [(path, headers, body)] = gateway.asked
        assert (path, body["amount"], body["currency"]) == ("/api/v1/orders", 50_000, "INR")
        assert (headers["X-Api-Key"], headers["X-Api-Secret"]) == ("key_test_abc123", "secret_test_xyz789")
        assert headers["Idempotency-Key"] == KEY

    def test_a_cart_becomes_an_order_at_the_shops_own_prices(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        add(buyer, TEA, 2)
        buyer.post("/cart", data={"item": POT, "quantity": "1", "amount": "1", "price": "1"})
        answer = buyer.post("/buy", data={"buy_key": KEY, "amount": "1", "total": "1"})
        [(_, _, body)] = gateway.asked
        assert (body["amount"], body["currency"]) == (2 * 50_000 + 145_000, "INR")
        assert body["notes"] == {TEA: "2 × Nilgiri winter tea", POT: "1 × Stoneware teapot"}
        page = buyer.get(answer.location)
        assert re.findall(r'data-test-id="order-line" data-item="([\w-]+)"', page.text) == [TEA, POT]
        assert shown(page, "order-amount") == ["₹2,450.00"]

    def test_what_was_ordered_has_left_the_cart(self, buyer: FlaskClient) -> None:
        add(buyer, TEA, 2)
        buyer.post("/buy", data={"buy_key": KEY})
        assert in_cart(buyer) == {}

    def test_one_thing_bought_at_once_leaves_the_cart_as_it_is(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        add(buyer, POT)
        buy(buyer, quantity=3)
        assert gateway.asked[0][2]["amount"] == 150_000
        assert in_cart(buyer) == {POT: 1}

    def test_an_empty_cart_buys_nothing(self, buyer: FlaskClient, gateway: ScriptedGateway) -> None:
        answer = buyer.post("/buy", data={"buy_key": KEY})
        assert (answer.status_code, answer.location) == (303, "/cart")
        assert gateway.asked == []

    def test_the_key_of_the_page_goes_with_both_presses_of_the_button(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        key = key_of(buyer.get(f"/items/{TEA}"))
        gateway.status = 503
        assert buy(buyer, key).status_code == 502
        gateway.status = 201
        assert buy(buyer, key).status_code == 303
        assert [headers["Idempotency-Key"] for _, headers, _ in gateway.asked] == [key, key]

    def test_a_second_press_leads_to_the_same_order_and_asks_nobody(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        add(buyer, TEA)
        key = key_of(buyer.get("/cart"))
        answers = [buyer.post("/buy", data={"buy_key": key}) for _ in range(2)]
        assert answers[0].location == answers[1].location
        assert len(gateway.asked) == 1

    def test_a_second_press_whose_first_answer_never_came_empties_the_cart_too(
        self, buyer: FlaskClient
    ) -> None:
        add(buyer, TEA)
        before = buyer.get_cookie("blue_hill_tea")
        assert before is not None
        buyer.post("/buy", data={"buy_key": KEY})
        buyer.set_cookie("blue_hill_tea", before.value)
        buyer.post("/buy", data={"buy_key": KEY})
        assert in_cart(buyer) == {}
        assert len(re.findall("order-row", buyer.get("/orders").text)) == 1

    def test_ten_presses_at_the_same_moment_make_one_order(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        app = buyer.application
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: buy(app.test_client()), range(10)))
        assert {(answer.status_code, answer.location) for answer in answers} == {
            (303, "/orders/order_0000000000000000#pay")
        }
        assert len(gateway.orders) == 1

    @pytest.mark.parametrize("given", ["", "short", "a" * 300, "bad\r\nX-Evil: 1" + "a" * 16])
    def test_a_key_of_the_wrong_form_is_replaced(
        self, buyer: FlaskClient, gateway: ScriptedGateway, given: str
    ) -> None:
        assert buy(buyer, given).status_code == 303
        [(_, headers, _)] = gateway.asked
        assert headers["Idempotency-Key"] != given
        assert len(headers["Idempotency-Key"]) >= 16

    def test_a_refusal_is_a_kind_page_that_tries_again_with_the_same_key(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        gateway.status = 401
        gateway.body = b'{"error":{"code":"AUTHENTICATION_ERROR","description":"Invalid API credentials"}}'
        page = buy(buyer, quantity=2)
        assert page.status_code == 502
        assert "Nothing was charged" in page.text
        assert "401. Invalid API credentials" in page.text
        again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([\w-]+)">', page.text))
        assert again == {"buy_key": KEY, "item": TEA, "quantity": "2"}
        assert "secret_test_xyz789" not in page.text

    def test_a_refused_cart_is_still_there(self, buyer: FlaskClient, gateway: ScriptedGateway) -> None:
        gateway.status = 500
        add(buyer, TEA)
        assert buyer.post("/buy", data={"buy_key": KEY}).status_code == 502
        assert in_cart(buyer) == {TEA: 1}

    @pytest.mark.parametrize(
        "body",
        [b" ", b"<html>", b"[]", b'{"id":7}', b'{"id":"order_NXhj67fGH2jk9mPq&to=//evil"}', b"[" * 100_000],
    )
    def test_a_201_that_is_no_order_is_a_kind_page(
        self, buyer: FlaskClient, gateway: ScriptedGateway, body: bytes
    ) -> None:
        gateway.body = body
        assert buy(buyer).status_code == 502

    @pytest.mark.parametrize("error", ["no object", None, {"description": ["x"]}, {"description": "\ud800"}])
    def test_a_refusal_of_another_shape_is_a_kind_page(
        self, buyer: FlaskClient, gateway: ScriptedGateway, error: Any
    ) -> None:
        gateway.status, gateway.body = 400, json.dumps({"error": error}).encode()
        assert buy(buyer).status_code == 502

    def test_the_secret_is_not_carried_to_where_a_redirect_points(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        gateway.status = 307
        page = buy(buyer)
        assert page.status_code == 502
        assert "answered 307" in page.text
        assert len(gateway.asked) == 1

    def test_a_gateway_that_is_away_is_a_kind_page(
        self, buyer: FlaskClient, gateway: ScriptedGateway
    ) -> None:
        gateway.close()
        page = buy(buyer)
        assert page.status_code == 502
        assert "Is the gateway running?" in page.text
