"""Pictures of every page: `python3 -m gateway pictures [FOLDER]`.

A gateway of its own, on free ports and with a database that is thrown away,
gets a month of a small shop's business; a browser then looks at each page,
wide by day and narrow by night.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request

from gateway.app import prepare
from gateway.core import clock, db, queue
from gateway.core.config import SEEDED_PASSWORD, Config
from gateway.core.db import transaction
from gateway.core.processor import Answer, Outcome
from gateway.domain import orders, payments, refunds
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.domain.methods import Instrument
from gateway.domain.orders import OrderBody
from gateway.models import Payment
from gateway.models.orders import Payable
from gateway.stack import OPENER, Stack

SETTINGS = {
    "TEST_MODE": "true",
    "ALLOW_SIGNUP": "true",
    # A delivery that nobody takes has failed within seconds.
    "WEBHOOK_RETRY_INTERVALS": "[0, 1, 1]",
}
WIDE, NARROW = (1280, 900), (375, 667)
# Name and address; {…} is filled in with what the shop has.
PAGES = {
    "home": "/dashboard",
    "transactions": "/dashboard/transactions",
    "transaction": "/dashboard/transactions/{payment_id}",
    "orders": "/dashboard/orders",
    "order": "/dashboard/orders/{order_id}",
    "refunds": "/dashboard/refunds",
    "webhooks": "/dashboard/webhooks",
    "jobs": "/dashboard/jobs",
    "docs": "/dashboard/docs",
    "settings": "/dashboard/settings",
    "people": "/dashboard/settings/people",
    "keys": "/dashboard/settings/keys",
    "checkout-settings": "/dashboard/settings/checkout",
    "audit": "/dashboard/settings/audit",
    "checkout": "/checkout?order_id={unpaid_id}",
    "shop": "{shop_url}/",
}
DOORS = {"login": "/login", "signup": "/signup"}

_PRICES = (19_900, 49_900, 79_900, 99_900, 129_900, 249_900, 549_900, 1_299_900)
_PAYERS = ("asha", "vikram", "meera", "rohan", "fatima", "joseph", "lakshmi", "arjun", "nadia", "dev")
_BANKS = ("okaxis", "ybl", "paytm", "oksbi", "upi")
_PAID, _DECLINED = Answer(Outcome.SUCCESS), Answer(Outcome.FAILED, "Payment was declined by the bank")

_PATIENCE_S = 60

Ask = Callable[..., dict[str, Any]]


def furnish(config: Config, count: int = 420) -> None:
    """A month of the test merchant's business, made by the verbs themselves with the clock set back."""
    prepare(config)
    chance = Random(7)
    ago_s = sorted((chance.random() ** 1.15 * 30 * 86_400 for _ in range(count)), reverse=True)
    try:
        for number, seconds in enumerate(ago_s):
            clock.move(-seconds - 5)
            payment = _pay(chance, f"A-{1000 + number}")
            clock.move(-seconds)
            with transaction():
                claims = payments.claim(10)
                outcome = _DECLINED if chance.random() < 0.07 else _PAID
                payments.settle([(claim, outcome) for claim in claims])
            if outcome is _PAID:
                _go_on(chance, payment, seconds)
    finally:
        clock.move(0)
        db.disconnect()
        queue.disconnect()


def _pay(chance: Random, receipt: str) -> Payment:
    body = OrderBody(amount=chance.choice(_PRICES), receipt=receipt)
    if chance.random() < 0.6:
        vpa = f"{chance.choice(_PAYERS)}@{chance.choice(_BANKS)}"
        instrument = Instrument("upi", vpa=vpa)
    else:
        network, last4 = chance.choice([("visa", "1111"), ("mastercard", "4444"), ("rupay", "0000")])
        instrument = Instrument("card", card_network=network, card_last4=last4, token="tok_card")
    with transaction():
        order = orders.create(SEEDED_MERCHANT_ID, body)
        payable = Payable(order.id, order.merchant_id, order.amount, order.currency, order.status)
        return payments.create(payable, instrument)


def _go_on(chance: Random, payment: Payment, ago_s: float) -> None:
    """Most payments are captured, a few refunded."""
    if chance.random() < 0.7:
        with transaction():
            payments.capture(SEEDED_MERCHANT_ID, "key_test_abc123", payment.id, None)
    if chance.random() < 0.06:
        part = payment.amount if chance.random() < 0.5 else payment.amount // 2
        with transaction():
            refunds.create(SEEDED_MERCHANT_ID, payment.id, part, "The customer sent it back")
        clock.move(10 - ago_s)
        with transaction():
            refunds.settle([(claim, _PAID) for claim in refunds.claim(10)])


def take(stack: Stack, folder: Path, browser_path: str) -> Iterator[str]:
    """Look at every page of a running gateway; yields the name of each picture that is made."""
    from playwright.sync_api import sync_playwright

    ask = _asker(stack)
    facts = _fail_a_delivery(stack, ask) | _facts(ask)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        state: Any = None
        for suffix, size, scheme in (("wide", WIDE, "light"), ("narrow", NARROW, "dark")):
            context = browser.new_context(
                base_url=stack.web_url,
                viewport={"width": size[0], "height": size[1]},
                color_scheme=scheme,  # type: ignore[arg-type]
                storage_state=state,
            )
            page = context.new_page()
            if state is None:
                _sign_in(page, stack.config)
                state = context.storage_state()
            yield from _shoot(page, PAGES, facts, folder, suffix)
            context.clear_cookies()
            yield from _shoot(page, DOORS, facts, folder, suffix)
            context.close()
        browser.close()


def _shoot(
    page: Any, pages: dict[str, str], facts: dict[str, str], folder: Path, suffix: str
) -> Iterator[str]:
    for name, address in pages.items():
        page.goto(address.format(**facts))
        page.wait_for_load_state("load")
        page.screenshot(path=folder / f"{name}-{suffix}.png")
        yield f"{name}-{suffix}.png"


def _sign_in(page: Any, config: Config) -> None:
    page.goto("/login")
    page.fill("#email", config.test_merchant_email)
    page.fill("#password", SEEDED_PASSWORD)
    page.click("[data-test-id=login-button]")
    page.wait_for_url("**/dashboard")


def _asker(stack: Stack) -> Ask:
    """The API of that gateway, as the test merchant's server calls it."""

    def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = Request(
            f"{stack.web_url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "X-Api-Key": stack.config.test_api_key,
                "X-Api-Secret": stack.config.test_api_secret,
            },
        )
        with OPENER.open(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    return ask


def _fail_a_delivery(stack: Stack, ask: Ask) -> dict[str, str]:
    """Deliver the month to the shop, then one payment to nobody; and leave an order to be paid."""
    _wait(lambda: ask("GET", "/test/jobs/status")["pending"] == 0, "the month's webhooks")
    ask("PUT", "/webhooks/config", {"webhook_url": f"{stack.web_url}/nobody-listens-here"})
    order = ask("POST", "/orders", {"amount": 129_900, "receipt": "A-1420"})
    ask("POST", "/payments", {"order_id": order["id"], "method": "upi", "vpa": "meera@okaxis"})
    _wait(lambda: ask("GET", "/test/jobs/status")["pending"] == 0, "deliveries that fail")
    ask("PUT", "/webhooks/config", {"webhook_url": f"{stack.shop_url}/webhook"})
    unpaid = ask("POST", "/orders", {"amount": 249_900, "receipt": "A-1421"})
    return {"unpaid_id": unpaid["id"], "shop_url": stack.shop_url}


def _facts(ask: Ask) -> dict[str, str]:
    """A payment with something to tell: one that was refunded."""
    refund = ask("GET", "/refunds?limit=1")["data"][0]
    payment = ask("GET", f"/payments/{refund['payment_id']}")
    return {"payment_id": payment["id"], "order_id": payment["order_id"]}


def _wait(is_so: Callable[[], bool], what: str) -> None:
    last_s = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > last_s:
            raise TimeoutError(f"waited {_PATIENCE_S} s for {what}")
        time.sleep(0.2)
