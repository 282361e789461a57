"""An order is paid when the gateway says so, by a signed webhook or when asked, and once."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from test_merchant import webhook
from test_merchant.books import Books
from tests.shop.conftest import CHECKOUT_URL, OpenShop, ScriptedGateway
from tests.shop.letters import deliver, event_body, paid_body, refunded_body
from tests.shop.test_buying import KEY, TEA, buy, shown

PAYMENT_ID = "pay_H8sK3jD9s2L1pQr0"


@pytest.fixture
def order(buyer: FlaskClient) -> str:
    """The id of an order over 50000."""
    return bought(buyer)


def bought(buyer: FlaskClient, key: str = KEY) -> str:
    [order_id] = re.findall(r"/orders/(\w+)#pay", buy(buyer, key).location)
    return str(order_id)


def state(buyer: FlaskClient, order_id: str) -> str:
    [state] = re.findall(r'data-state="([\w ]+)"', buyer.get(f"/orders/{order_id}").text)
    return str(state)


def parcels(buyer: FlaskClient, order_id: str) -> int:
    return int(shown(buyer.get(f"/orders/{order_id}"), "parcels")[0])


class TestThePage:
    def test_it_shows_what_was_ordered_and_opens_the_checkout_from_its_own_origin(
        self, buyer: FlaskClient, order: str
    ) -> None:
        page = buyer.get(f"/orders/{order}")
        assert shown(page, "order-id") == [order]
        assert shown(page, "order-amount") == ["₹500.00"]
        assert f'<script src="{CHECKOUT_URL}/checkout.js"' in page.text
        assert f'data-key="key_test_abc123" data-order-id="{order}"' in page.text
        assert "secret_test_xyz789" not in page.text
        assert not re.search(r"<style|style=|<script>|\son\w+=", page.text)

    def test_its_policy_allows_the_checkouts_origin_and_no_other_pages_does(
        self, buyer: FlaskClient, order: str
    ) -> None:
        rules = dict(
            rule.split(" ", 1)
            for rule in buyer.get(f"/orders/{order}").headers["Content-Security-Policy"].split("; ")
        )
        assert rules == {
            "default-src": "'self'",
            "script-src": f"'self' {CHECKOUT_URL}",
            "frame-src": CHECKOUT_URL,
            "object-src": "'none'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }
        others = [
            buyer.get(path) for path in ("/", f"/items/{TEA}", "/cart", "/orders", "/events", "/nowhere")
        ]
        assert [
            page.headers["Content-Security-Policy"] for page in others if CHECKOUT_URL in str(page.headers)
        ] == []

    def test_orders_that_this_shop_did_not_make_are_not_shown(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway
    ) -> None:
        for path in ("/orders/order_NXhj67fGH2jk9mPq", "/orders/order_NXhj67fGH2jk9mPq/state", "/orders/x"):
            assert buyer.get(path).status_code == 404
        assert gateway.looks == []

    def test_the_page_and_its_live_part_show_the_same(self, buyer: FlaskClient, order: str) -> None:
        assert buyer.get(f"/orders/{order}/state").text in buyer.get(f"/orders/{order}").text

    def test_without_scripts_it_looks_again_until_it_is_paid(self, buyer: FlaskClient, order: str) -> None:
        again = '<noscript><meta http-equiv="refresh"'
        assert again in buyer.get(f"/orders/{order}").text
        deliver(buyer, paid_body(order, 50_000))
        assert again not in (page := buyer.get(f"/orders/{order}").text)
        assert "<script" not in page

    def test_a_browser_finds_its_own_orders_again_and_nobody_elses(self, buyer: FlaskClient) -> None:
        ids = [bought(buyer, number * 16) for number in "12"]
        rows = re.findall(r'data-test-id="order-row" data-order-id="(\w+)"', buyer.get("/orders").text)
        assert rows == ids[::-1]
        assert "order-row" not in buyer.application.test_client().get("/orders").text


class TestPaidByWebhook:
    def test_the_signed_word_that_it_is_paid_makes_it_paid(self, buyer: FlaskClient, order: str) -> None:
        assert state(buyer, order) == "unpaid"
        assert deliver(buyer, paid_body(order, 50_000)).status_code == 200
        assert state(buyer, order) == "paid"
        page = buyer.get(f"/orders/{order}")
        assert (shown(page, "payment-id"), shown(page, "told-by")) == ([PAYMENT_ID], ["a signed webhook"])

    def test_a_forged_one_does_not(self, buyer: FlaskClient, order: str) -> None:
        body = paid_body(order, 50_000)
        assert deliver(buyer, body, X_Webhook_Signature="0" * 64).status_code == 401
        assert buyer.post("/webhook", data=body).status_code == 401
        assert state(buyer, order) == "unpaid"

    @pytest.mark.parametrize(
        "event", ["payment.created", "payment.success", "payment.failed", "webhook.test"]
    )
    def test_another_event_does_not(self, buyer: FlaskClient, order: str, event: str) -> None:
        assert deliver(buyer, paid_body(order, 50_000, event=event)).status_code == 200
        assert state(buyer, order) == "unpaid"

    @pytest.mark.parametrize(
        "wrong", [{"amount": 49_999}, {"amount": "50000"}, {"currency": "USD"}, {"id": 7}]
    )
    def test_another_amount_or_currency_does_not(
        self, buyer: FlaskClient, order: str, wrong: dict[str, object]
    ) -> None:
        assert deliver(buyer, paid_body(order, 50_000, **wrong)).status_code == 200
        assert state(buyer, order) == "unpaid"

    def test_it_ships_once_however_often_it_comes(self, buyer: FlaskClient, order: str) -> None:
        answers = [deliver(buyer, paid_body(order, 50_000)).status_code for _ in range(3)]
        assert (answers, parcels(buyer, order)) == ([200, 200, 200], 1)

    def test_twenty_at_the_same_moment_ship_once(self, buyer: FlaskClient, order: str) -> None:
        app = buyer.application
        with ThreadPoolExecutor(20) as pool:
            body = paid_body(order, 50_000)
            answers = list(pool.map(lambda _: deliver(app.test_client(), body).status_code, range(20)))
        assert (answers, parcels(buyer, order)) == ([200] * 20, 1)

    def test_what_is_done_with_an_event_is_done_once(
        self, buyer: FlaskClient, order: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []
        monkeypatch.setattr(webhook, "act", lambda books, order, event: done.append(event["id"]))
        for number in (1, 2, 1, 1, 2):
            deliver(buyer, paid_body(order, 50_000, number))
        assert done == ["evt_0000000000000001", "evt_0000000000000002"]

    def test_the_same_news_under_another_id_ships_nothing_more(self, buyer: FlaskClient, order: str) -> None:
        for number in (1, 2):
            deliver(buyer, paid_body(order, 50_000, number))
        assert parcels(buyer, order) == 1

    def test_an_order_sold_elsewhere_is_none_of_its_business(self, buyer: FlaskClient, order: str) -> None:
        assert deliver(buyer, paid_body("order_NXhj67fGH2jk9mPq", 50_000)).status_code == 200
        assert buyer.get("/orders/order_NXhj67fGH2jk9mPq").status_code == 404
        assert state(buyer, order) == "unpaid"

    def test_one_that_failed_on_purpose_changes_nothing_and_its_repeat_does(
        self, open_shop: OpenShop
    ) -> None:
        buyer = open_shop(fail_first_n=1)
        order = bought(buyer)
        assert deliver(buyer, paid_body(order, 50_000)).status_code == 500
        assert state(buyer, order) == "unpaid"
        assert deliver(buyer, paid_body(order, 50_000)).status_code == 200
        assert state(buyer, order) == "paid"

    def test_one_that_broke_in_the_middle_is_not_counted_as_heard(
        self, buyer: FlaskClient, order: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(*_: object) -> None:
            raise sqlite3.OperationalError("disk full")

        with monkeypatch.context() as broken:
            broken.setattr(Books, "mark_paid", break_down)
            assert deliver(buyer, paid_body(order, 50_000)).status_code == 500
        assert deliver(buyer, paid_body(order, 50_000)).status_code == 200
        assert (state(buyer, order), parcels(buyer, order)) == ("paid", 1)

    def test_what_the_events_page_forgot_the_books_still_know(self, buyer: FlaskClient, order: str) -> None:
        deliver(buyer, paid_body(order, 50_000))
        buyer.delete("/events.json")
        deliver(buyer, paid_body(order, 50_000))
        assert parcels(buyer, order) == 1


class TestPaidByLookup:
    def test_the_gateways_word_that_it_is_paid_makes_it_paid(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway
    ) -> None:
        gateway.said = {"status": "attempted"}
        assert state(buyer, order) == "unpaid"
        gateway.said = {"status": "paid"}
        assert state(buyer, order) == "paid"
        assert shown(buyer.get(f"/orders/{order}"), "told-by") == ["the gateway, when asked"]
        assert set(gateway.looks) == {f"/api/v1/orders/{order}"}

    @pytest.mark.parametrize(
        "wrong", [{"amount": 49_999}, {"amount": "50000"}, {"currency": "USD"}, {"status": ["paid"]}]
    )
    def test_another_amount_or_currency_does_not(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway, wrong: dict[str, object]
    ) -> None:
        gateway.said = {"status": "paid", **wrong}
        assert state(buyer, order) == "unpaid"

    def test_a_gateway_that_is_away_does_not_hide_the_order(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway
    ) -> None:
        gateway.close()
        assert state(buyer, order) == "unpaid"

    def test_a_paid_order_is_not_asked_for_again(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway
    ) -> None:
        deliver(buyer, paid_body(order, 50_000))
        assert state(buyer, order) == "paid"
        assert gateway.looks == []

    def test_the_webhook_that_comes_later_names_the_payment_and_ships_nothing_more(
        self, buyer: FlaskClient, order: str, gateway: ScriptedGateway
    ) -> None:
        gateway.said = {"status": "paid"}
        assert state(buyer, order) == "paid"
        deliver(buyer, paid_body(order, 50_000))
        page = buyer.get(f"/orders/{order}")
        assert (shown(page, "payment-id"), shown(page, "parcels")) == ([PAYMENT_ID], ["1"])


class TestRefunds:
    def test_a_part_of_the_money_and_then_the_rest(self, buyer: FlaskClient, order: str) -> None:
        deliver(buyer, paid_body(order, 50_000))
        deliver(buyer, refunded_body(order, 20_000, 2))
        assert state(buyer, order) == "partly refunded"
        assert shown(buyer.get(f"/orders/{order}"), "order-refunded") == ["₹200.00"]
        deliver(buyer, refunded_body(order, 30_000, 3))
        assert state(buyer, order) == "refunded"

    def test_one_that_comes_twice_counts_once(self, buyer: FlaskClient, order: str) -> None:
        deliver(buyer, paid_body(order, 50_000))
        for _ in range(3):
            deliver(buyer, refunded_body(order, 20_000, 2))
        assert shown(buyer.get(f"/orders/{order}"), "order-refunded") == ["₹200.00"]

    def test_one_that_overtakes_the_news_of_the_payment_is_not_lost(
        self, buyer: FlaskClient, order: str
    ) -> None:
        deliver(buyer, refunded_body(order, 50_000, 2))
        assert state(buyer, order) == "unpaid"
        deliver(buyer, paid_body(order, 50_000, 1))
        assert state(buyer, order) == "refunded"

    def test_a_second_payment_that_is_returned_leaves_the_order_paid(
        self, buyer: FlaskClient, order: str
    ) -> None:
        deliver(buyer, paid_body(order, 50_000))
        deliver(buyer, refunded_body(order, 50_000, 2, payment_id="pay_0000000000000002"))
        assert state(buyer, order) == "paid"


class TestARestart:
    def test_orders_and_heard_events_are_still_known(self, open_shop: OpenShop, tmp_path: Path) -> None:
        file = str(tmp_path / "var" / "shop.db")
        buyer = open_shop(db=file)
        paid, waiting = bought(buyer), bought(buyer, "w" * 16)
        deliver(buyer, paid_body(paid, 50_000))
        after = open_shop(db=file)
        assert (state(after, paid), state(after, waiting)) == ("paid", "unpaid")
        deliver(after, paid_body(paid, 50_000))
        deliver(after, paid_body(waiting, 50_000, 2))
        assert [parcels(after, order) for order in (paid, waiting)] == [1, 1]

    def test_the_button_of_an_old_page_leads_to_its_order(
        self, open_shop: OpenShop, gateway: ScriptedGateway, tmp_path: Path
    ) -> None:
        file = str(tmp_path / "shop.db")
        assert bought(open_shop(db=file)) == bought(open_shop(db=file))
        assert len(gateway.asked) == 1

    def test_without_a_file_nothing_is_kept(
        self, buyer: FlaskClient, order: str, open_shop: OpenShop
    ) -> None:
        assert open_shop().get(f"/orders/{order}").status_code == 404

    def test_events_of_other_orders_are_not_collected(self, open_shop: OpenShop, tmp_path: Path) -> None:
        file = tmp_path / "shop.db"
        buyer = open_shop(db=str(file))
        deliver(buyer, event_body(1))
        deliver(buyer, refunded_body("order_NXhj67fGH2jk9mPq", 100, 2))
        with sqlite3.connect(file) as books:
            kept = [
                books.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("events", "refunds")
            ]
        books.close()
        assert kept == [0, 0]
