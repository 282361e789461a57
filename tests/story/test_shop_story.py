"""A customer buys tea, and the shop hears that it is paid: real processes, over HTTP, without scripts."""

import signal
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.processes import wait_until
from tests.shop.letters import paid_body, signed
from tests.story.conftest import Market
from tests.story.customer import Customer, Page


def order_tea(customer: Customer, quantity: int = 1) -> str:
    """The id of an order that waits to be paid."""
    customer.visit("/items/winter-tea")
    page = customer.press("pay-now-button", quantity=str(quantity))
    assert page.attributes["order"]["data-state"] == "unpaid"
    return page.texts["order-id"]


def pay(market: Market, order_id: str) -> dict[str, Any]:
    """As the checkout does it for the payer."""
    url = f"http://127.0.0.1:{market.town.port}/api/v1/payments/public"
    body = {"order_id": order_id, "method": "upi", "vpa": "meera@okbank"}
    answer = market.town.http.request("POST", url, json=body)
    assert answer.status == 201, answer.data
    payment: dict[str, Any] = answer.json()
    return payment


def wait_for_success(market: Market, payment: dict[str, Any]) -> None:
    path = f"/payments/{payment['id']}"
    wait_until(lambda: market.merchant.get(path)["status"] == "success", 30, "a successful payment")


def state(page: Page) -> str:
    return page.attributes["order"]["data-state"]


def parcels(market: Market, order_id: str) -> int:
    """How often the shop shipped, by its books."""
    with closing(sqlite3.connect(market.shop.books)) as books:
        query = "SELECT count(*) FROM parcels WHERE order_id = ?"
        return int(books.execute(query, [order_id]).fetchone()[0])


def test_a_cart_is_paid_and_the_shop_hears_of_it(market: Market, customer: Customer) -> None:
    customer.visit("/")
    customer.press("add-to-cart-button")
    customer.visit("/items/teapot")
    assert customer.press("add-to-cart-button", quantity="2").texts["cart-total"] == "₹3,400.00"
    page = customer.press("pay-now-button")
    assert (page.texts["order-amount"], state(page)) == ("₹3,400.00", "unpaid")
    hosted = urlsplit(page.attributes["pay-button"]["href"])
    order_id = page.texts["order-id"]
    assert (hosted.path, parse_qs(hosted.query)) == ("/checkout", {"order_id": [order_id]})
    order = market.merchant.get(f"/orders/{order_id}")
    assert (order["amount"], order["currency"], order["status"]) == (340_000, "INR", "created")

    payment = pay(market, order_id)
    market.wait_to_hear("order.paid", order_id)
    page = customer.visit(f"/orders/{order_id}")
    assert (state(page), page.texts["told-by"]) == ("paid", "a signed webhook")
    assert (page.texts["payment-id"], page.texts["parcels"]) == (payment["id"], "1")
    assert "order-row" in customer.visit("/orders").attributes
    assert "empty-cart" in customer.visit("/cart").attributes


def test_a_webhook_that_comes_twice_ships_once(market: Market, customer: Customer) -> None:
    order_id = order_tea(customer)
    pay(market, order_id)
    market.wait_to_hear("order.paid", order_id)
    logs = market.merchant.get("/webhooks?limit=100")["data"]
    [log] = [
        log
        for log in logs
        if log["event"] == "order.paid"
        and order_id in market.merchant.get(f"/webhooks/{log['id']}")["payload"]
    ]
    market.merchant.post(f"/webhooks/{log['id']}/retry", status=200)
    market.wait_to_hear("order.paid", order_id, times=2)
    repeat, first = market.heard("order.paid", order_id)
    assert (repeat["id"], repeat["repeat"], first["repeat"]) == (first["id"], True, False)
    assert parcels(market, order_id) == 1


def test_a_shop_that_was_away_hears_of_it_when_it_is_back(market: Market, customer: Customer) -> None:
    order_id = order_tea(customer)
    market.shop.close()
    wait_for_success(market, pay(market, order_id))
    tried = "SELECT id FROM webhook_logs WHERE event = 'order.paid' AND attempts > 0 AND payload LIKE :about"
    wait_until(
        lambda: market.town.rows(tried, about=f"%{order_id}%"), 30, "an attempt that found the door closed"
    )
    market.shop.open()
    market.wait_to_hear("order.paid", order_id)
    page = customer.visit(f"/orders/{order_id}")
    assert (state(page), page.texts["told-by"]) == ("paid", "a signed webhook")
    assert parcels(market, order_id) == 1


def test_a_shop_that_never_hears_of_it_asks(market: Market, customer: Customer) -> None:
    order_id = order_tea(customer)
    market.merchant.receive_at(None)
    wait_for_success(market, pay(market, order_id))
    page = customer.visit(f"/orders/{order_id}")
    assert (state(page), page.texts["told-by"]) == ("paid", "the gateway, when asked")
    assert parcels(market, order_id) == 1


def test_a_forged_webhook_is_refused_and_believed_in_nothing(market: Market, customer: Customer) -> None:
    order_id = order_tea(customer)
    body = paid_body(order_id, 50_000)
    for signature in ("0" * 64, signed(body, "whsec_of_somebody_else"), signed(body + b" ")):
        headers = {"X-Webhook-Signature": signature}
        answer = market.shop.http.request("POST", f"{market.shop.url}/webhook", body=body, headers=headers)
        assert answer.status == 401
    assert state(customer.visit(f"/orders/{order_id}")) == "unpaid"
    assert parcels(market, order_id) == 0


def test_two_payers_of_one_order_get_one_parcel_and_one_gets_the_money_back(
    market: Market, customer: Customer
) -> None:
    order_id = order_tea(customer)
    market.town.worker.send(signal.SIGSTOP)
    try:
        payments = {pay(market, order_id)["id"] for _ in range(2)}
    finally:
        market.town.worker.send(signal.SIGCONT)
    assert len(payments) == 2
    market.wait_to_hear("refund.processed", order_id)
    market.wait_to_hear("order.paid", order_id)
    page = customer.visit(f"/orders/{order_id}")
    assert (state(page), parcels(market, order_id)) == ("paid", 1)
    [returned] = market.heard("refund.processed", order_id)
    assert payments == {page.texts["payment-id"], returned["payment_id"]}


def test_a_refund_shows_on_the_order(market: Market, customer: Customer) -> None:
    order_id = order_tea(customer, quantity=2)
    payment = pay(market, order_id)
    market.wait_to_hear("order.paid", order_id)
    market.merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 30_000})
    market.wait_to_hear("refund.processed", order_id)
    page = customer.visit(f"/orders/{order_id}")
    assert (state(page), page.texts["order-refunded"]) == ("partly refunded", "₹300.00")
    market.merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 70_000})
    market.wait_to_hear("refund.processed", order_id, times=2)
    assert state(customer.visit(f"/orders/{order_id}")) == "refunded"
