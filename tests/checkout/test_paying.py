"""Forms that pay: one form is one payment, and a card leaves no trace."""

import logging
import re
import threading

import pytest

from gateway.core import db
from gateway.core.errors import Unavailable
from gateway.models import Base
from tests.checkout.conftest import CARD, Payer, Seen, payment_id
from tests.conftest import Person

KEY = "form-1"
# Whole words: three digits may well stand inside of a random id.
CARD_DATA = re.compile(r"(?<![\w-])(5555[ -]?5555[ -]?5555[ -]?444[45]|737)(?![\w-])")


def payments(merchant: Person) -> list[dict[str, object]]:
    return merchant.get("/payments").json["data"]


def test_a_upi_form_makes_a_payment_and_leads_to_it(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    answer = payer.send(order, KEY, method="upi", vpa=" asha@upi ")
    made = payment_id(answer)
    (payment,) = payments(merchant)
    assert (payment["id"], payment["vpa"], payment["order_id"]) == (made, "asha@upi", order["id"])
    assert answer.headers["Location"] == f"/checkout?order_id={order['id']}&payment_id={made}"


def test_where_the_payer_was_they_stay(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    answer = payer.send(order, KEY, method="upi", vpa="a@b", embedded="true", lang="hi", checkout_token="t")
    assert answer.headers["Location"] == (
        f"/checkout?order_id={order['id']}&embedded=true&checkout_token=t&lang=hi"
        f"&payment_id={payment_id(answer)}"
    )


@pytest.mark.parametrize("expiry", ["12/31", "12/2031", "12 / 31", "1231", "12-31", " 12/31 "])
def test_a_card_form_takes_the_ways_people_write_an_expiry(
    merchant: Person, payer: Payer, expiry: str
) -> None:
    payment_id(payer.send(merchant.order(), KEY, method="card", **CARD | {"expiry": expiry}))
    (payment,) = payments(merchant)
    assert (payment["card_network"], payment["card_last4"]) == ("mastercard", "4444")


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"number": "5555 5555 5555 4445"}, "This card number is not complete or has a typing error."),
        ({"number": ""}, "This card number is not complete or has a typing error."),
        ({"number": "5555\0"}, "This card number is not complete or has a typing error."),
        ({"expiry": "13/31"}, "Enter the month and year on the card, as MM/YY."),
        ({"expiry": "soon"}, "Enter the month and year on the card, as MM/YY."),
        ({"expiry": "01/24"}, "This card has expired. Please use another one."),
        ({"cvv": "12"}, "The CVV is the 3 digits on the back of the card."),
        ({"holder_name": " "}, "Enter the name as it stands on the card."),
    ],
)
def test_a_refused_card_form_says_why_and_gives_back_no_secret(
    merchant: Person, payer: Payer, change: dict[str, str], note: str
) -> None:
    answer = payer.send(merchant.order(), KEY, method="card", **CARD | change)
    page = Seen(answer)
    assert answer.status_code == 400
    assert note in page.text("card-form")
    typed = {each["name"]: each["value"] for each in page.inputs if "data-test-id" in each}
    assert (typed["number"], typed["cvv"]) == ("", "")
    assert CARD_DATA.search(answer.text) is None
    assert "holder_name" in change or typed["holder_name"] == "Asha Rao"
    assert payments(merchant) == []


def test_a_refused_address_comes_back_to_be_corrected(merchant: Person, payer: Payer) -> None:
    answer = payer.send(merchant.order(), KEY, method="upi", vpa="asha@")
    page = Seen(answer)
    assert answer.status_code == 400
    assert page.attributes["vpa-input"]["value"] == "asha@"
    assert page.attributes["vpa-input"]["aria-invalid"] == "true"
    assert "A UPI ID looks like name@bank." in page.text("upi-form")


@pytest.mark.parametrize("form", [{}, {"method": "cash"}, {"method": "upi", "flow": "push"}])
def test_odd_forms_are_refused_kindly(merchant: Person, payer: Payer, form: dict[str, str]) -> None:
    answer = payer.send(merchant.order(), KEY, **form)
    assert answer.status_code == 400
    assert "payment-methods" in Seen(answer).shown


def test_nothing_of_a_card_is_kept_or_said_anywhere(
    merchant: Person, payer: Payer, rows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order = merchant.order()
    good = payer.send(order, KEY, method="card", **CARD)
    bad = payer.send(order, "form-2", method="card", **CARD | {"expiry": "01/24"})
    held = "".join(str(rows(f"SELECT * FROM {table.name}")) for table in Base.metadata.sorted_tables)
    assert "4444" in held, "the last four are no secret"
    for place in (held, good.headers["Location"], bad.text, caplog.text):
        assert CARD_DATA.search(place) is None


def test_a_form_sent_twice_is_one_payment(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    first = payer.pay(order, KEY)
    assert payer.pay(order, KEY) == first
    # The same form is the same payment whatever is typed into it later: the first one must be seen first.
    assert payer.pay(order, KEY, vpa="another@upi") == first
    assert payment_id(payer.send(order, KEY, method="card", **CARD)) == first
    assert len(payments(merchant)) == 1
    assert payer.pay(order, "form-2") != first


def test_ten_clicks_at_once_are_one_payment(merchant: Person, payer: Payer) -> None:
    order, made = merchant.order(), []

    def click() -> None:
        answer = payer.client.application.test_client().post(
            "/checkout/payments",
            data={"order_id": order["id"], "key": KEY, "method": "card", **CARD},
        )
        # Who waits too long for the first click is told to come back.
        if answer.status_code != 409:
            made.append(answer.headers.get("Location"))

    clicks = [threading.Thread(target=click) for _ in range(10)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert len(set(made)) == 1 and made[0] is not None
    assert len(payments(merchant)) == 1


def test_a_refused_form_uses_up_no_key(merchant: Person, payer: Payer) -> None:
    order = merchant.order()
    assert payer.send(order, KEY, method="upi", vpa="wrong").status_code == 400
    assert payer.pay(order, KEY).startswith("pay_")


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ"])
def test_a_form_without_a_key_is_not_ours(merchant: Person, payer: Payer, key: str) -> None:
    assert payer.send(merchant.order(), key, method="upi", vpa="asha@upi").status_code == 400


def test_a_payer_cannot_take_a_key_from_the_merchants_server(merchant: Person, payer: Payer, rows) -> None:
    order = merchant.order()
    payer.pay(order, "tea-1")
    (kept,) = rows("SELECT * FROM idempotency_keys")
    assert "tea-1" not in kept["key"] and kept["key"].startswith("checkout:")
    assert str(kept["merchant_id"]) == merchant.merchant_id
    body = {"order_id": order["id"], "method": "upi", "vpa": "asha@upi"}
    assert merchant.post("/payments", body, headers={"Idempotency-Key": "tea-1"}).status_code == 201
    other = merchant.order()
    assert payer.pay(other, "tea-1") != payer.pay(order, "tea-1")


def test_the_key_and_the_payment_are_one_transaction(
    merchant: Person, payer: Payer, rows, monkeypatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed in between")

    monkeypatch.setattr("gateway.domain.idempotency.keep", fail)
    answer = payer.send(merchant.order(), KEY, method="upi", vpa="asha@upi")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in Seen(answer).text("error-message")
    assert "killed" not in answer.text
    assert payments(merchant) == [] and rows("SELECT * FROM idempotency_keys") == []


def test_too_many_forms_have_to_wait(merchant: Person, payer: Payer, monkeypatch) -> None:
    monkeypatch.setattr("gateway.web.ratelimit.limit_per_minute", lambda: 3)
    order = merchant.order()
    for _ in range(3):
        assert payer.visit(order).answer.status_code == 200
    answer = payer.send(order, KEY, method="upi", vpa="asha@upi")
    assert (answer.status_code, Seen(answer).text("error-message")) == (
        429,
        "Too many requests. Please wait a minute.",
    )
    assert int(answer.headers["Retry-After"]) > 0


def test_a_database_that_is_away_is_said_kindly(merchant: Person, payer: Payer, monkeypatch) -> None:
    def away() -> object:
        raise Unavailable("away", retry_after=1)

    order = merchant.order()
    monkeypatch.setattr(db, "engine", away)
    answer = payer.send(order, KEY, method="upi", vpa="asha@upi")
    assert answer.status_code == 503
    assert "you pay only once" in answer.text
