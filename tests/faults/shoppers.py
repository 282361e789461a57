"""Customers who keep paying while something breaks, and remember what they were told."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import urllib3
from urllib3 import BaseHTTPResponse

from tests.faults.town import Merchant, upi

THREADS = 4
PACE_S = 0.04
REST_AFTER_TROUBLE_S = 0.25


class Shoppers:
    """Pay these orders, one after the other, each under a key of its own.

    receipts    what those who got a 201 were told, by the order's id
    refusals    other answers
    unanswered  orders whose payers do not know what became of it: no answer, or a refusal
    slowest_s   how long the slowest answer took
    """

    def __init__(self, merchant: Merchant, orders: list[dict[str, Any]]) -> None:
        self.merchant = merchant
        self.receipts: dict[str, dict[str, Any]] = {}
        self.refusals: list[BaseHTTPResponse] = []
        self.unanswered: list[dict[str, Any]] = []
        self.slowest_s = 0.0
        self._queue: Iterator[dict[str, Any]] = iter(orders)
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._threads = [threading.Thread(target=self._shop, daemon=True) for _ in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody begins another payment; those under way are waited for."""
        self._leaving.set()
        for thread in self._threads:
            thread.join()

    def _shop(self) -> None:
        while not self._leaving.wait(PACE_S):
            with self._lock:
                order = next(self._queue, None)
            if order is None:
                return
            if not self.pay(order):
                self._leaving.wait(REST_AFTER_TROUBLE_S)

    def pay(self, order: dict[str, Any]) -> bool:
        """Try to pay and say whether a payment was made."""
        started = time.monotonic()
        try:
            answer = self.merchant.ask("POST", "/payments", upi(order), Idempotency_Key=order["id"])
        except urllib3.exceptions.HTTPError:
            self.unanswered.append(order)
            return False
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        if answer.status == 201:
            self.receipts[order["id"]] = answer.json()
        else:
            self.refusals.append(answer)
            self.unanswered.append(order)
        return answer.status == 201

    def ask_again(self) -> int:
        """Send what was not answered once more, under the same keys; says how many that were."""
        again, self.unanswered = self.unanswered, []
        for order in again:
            self.pay(order)
        return len(again)

    @property
    def payment_ids(self) -> set[str]:
        return {payment["id"] for payment in self.receipts.values()}
