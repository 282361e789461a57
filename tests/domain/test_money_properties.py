"""In whatever order payers, merchants, banks and receivers act, the money adds up.

Hypothesis lives random days in the gateway: answers come late, twice or never,
workers die, clocks move, receivers fail. Beside it stand books in plain Python,
which say after each step what every row must say.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle
from typing import Any

from hypothesis import Phase, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text, update

from gateway.core import clock, db
from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.db import reading, session, transaction
from gateway.core.errors import BadRequest
from gateway.core.processor import Answer, Outcome
from gateway.core.sending import Receipt
from gateway.core.statements import moment
from gateway.domain import (
    announcing,
    deliveries,
    dispatch,
    endpoints,
    events,
    ledger,
    merchants,
    methods,
    orders,
    payments,
    refunds,
    verification,
    work,
)
from gateway.domain.orders import OrderBody
from gateway.models import Base, Delivery, Payment, Refund
from gateway.models.base import seconds_from_now
from tests.conftest import RIVAL_ID, _empty
from tests.scripted import DECLINED, NEVER_HEARD, PAID, SILENCE, UNDECIDED

DAYS, STEPS_A_DAY = 40, 30
# A payment, then the refund of a duplicate; then the deliveries of what they tell.
ROUNDS_TO_AN_END = 3
PEOPLE = (merchants.SEEDED_MERCHANT_ID, RIVAL_ID)
URLS = ("http://shop.example/a", "http://shop.example/b")
PAYMENT_DELAY_S, REFUND_DELAY_S = 1, 3
RETRY_WAITS_S = (0, 5, 10, 15, 20)
LONG_S = 100_000
MANY = 1000

THANKS = Receipt("success", 12, response_code=200, response_body="OK")
TROUBLE = Receipt("refused", 12, response_code=500, response_body="oh no")
LATER = Receipt("refused", 12, response_code=503, retry_after_s=600)
TIMEOUT = Receipt("timeout", 5000, error="No answer within 5 s")
UNREACHABLE = Receipt("unreachable", 1, error="Connection refused")
GONE = Receipt("refused", 3, response_code=410)

UPI = {"method": "upi", "vpa": "asha@upi"}
CARD = {
    "method": "card",
    "card": {
        "number": "4111 1111 1111 1111",
        "expiry_month": 12,
        "expiry_year": "99",
        "cvv": "123",
        "holder_name": "Asha Rao",
    },
}

# One of several things, 0 being the newest: what was just begun is what goes on.
which = st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 8])
people = st.sampled_from(PEOPLE)
amounts = st.integers(100, 2000)
tabs = st.lists(st.sampled_from([UPI, CARD]), max_size=2)
answers = st.sampled_from([PAID, PAID, PAID, DECLINED, DECLINED, SILENCE, UNDECIDED, NEVER_HEARD])
receipts = st.sampled_from([THANKS, TROUBLE, TROUBLE, LATER, TIMEOUT, UNREACHABLE, GONE])
asked_back = st.integers(1, 400) | st.sampled_from(["half", "all", "too much"])
of_money = st.lists(st.tuples(which, answers), max_size=4)
of_news = st.lists(st.tuples(which, receipts), max_size=8)

# What may happen next: how often, the method of the machine, and with what.
STEPS = (
    (1, "order", (people, amounts, st.sampled_from(["INR", "INR", "JPY"]), tabs)),
    (1, "pay", (which, tabs)),
    (3, "capture", (which, st.sampled_from([None, None, "all", "less"]))),
    (4, "refund", (which, st.lists(asked_back, min_size=1, max_size=3))),
    (1, "save_webhook", (people, st.sampled_from([None, *URLS, *URLS]))),
    (3, "retry_by_hand", (which,)),
    (3, "workers_look", (st.sampled_from([0, 1, 3, 6, 30, 700, LONG_S]), st.sampled_from([1, 3, 100, 100]))),
    (3, "answers_come", (of_money, of_money, of_news)),
    (4, "work_off", (st.lists(answers, min_size=1, max_size=4), st.lists(receipts, min_size=1, max_size=4))),
    (2, "workers_die", (st.booleans(),)),
)
steps = st.sampled_from(
    [st.tuples(st.just(name), *arguments) for weight, name, arguments in STEPS for _ in range(weight)]
).flatmap(lambda step: step)


@dataclass(kw_only=True)
class Waiting:
    """What the books know of a row that waits for somebody outside; times as the clock was moved."""

    id: str
    status: str = "pending"
    due_s: float | None
    token: str | None = None
    is_held: bool = False
    attempts: int = 0


@dataclass(kw_only=True)
class BookedOrder:
    id: str
    merchant_id: str
    amount: int
    currency: str
    payments: "list[BookedPayment]" = field(default_factory=list)
    won_by: str | None = None

    @property
    def status(self) -> str:
        if self.won_by is not None:
            return "paid"
        return "attempted" if self.payments else "created"


@dataclass(kw_only=True)
class BookedPayment(Waiting):
    order: BookedOrder
    is_announced: bool = False
    is_captured: bool = False
    refunds: "list[BookedRefund]" = field(default_factory=list)

    @property
    def amount(self) -> int:
        return self.order.amount

    @property
    def reserved(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status == "processed")


@dataclass(kw_only=True)
class BookedRefund(Waiting):
    payment: BookedPayment
    amount: int


@dataclass(kw_only=True)
class BookedDelivery(Waiting):
    merchant_id: str


@dataclass
class BookedEndpoint:
    url: str | None = None
    is_enabled: bool = True

    @property
    def is_usable(self) -> bool:
        return self.url is not None and self.is_enabled


class Market(RuleBasedStateMachine):
    """A gateway whose clock, bank, receivers and crashes are in Hypothesis' hands."""

    def __init__(self, config: Config, people: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__()
        self.config = replace(config, test_refund_delay_ms=REFUND_DELAY_S * 1000)
        _empty(config)
        with transaction():
            for table in Base.metadata.sorted_tables:
                if people.get(table.name):
                    session().execute(table.insert(), people[table.name])
        clock.move(0)
        self.ahead_s = 0
        self.opened_at = clock.now()
        self.orders: dict[str, BookedOrder] = {}
        self.payments: dict[str, BookedPayment] = {}
        self.refunds: dict[str, BookedRefund] = {}
        self.deliveries: dict[str, BookedDelivery] = {}
        self.endpoints = {merchant_id: BookedEndpoint() for merchant_id in PEOPLE}
        self.payment_claims: list[payments.Claim] = []
        self.refund_claims: list[refunds.Claim] = []
        self.delivery_claims: list[dispatch.Claim] = []
        self.numbered = 0

    @initialize(repeat=st.booleans(), amount=amounts)
    def open(self, repeat: bool, amount: int) -> None:
        """A day begins with one merchant who listens, and with an order that is paid in two tabs."""
        self.repeat_payments = repeat
        settings.use(replace(self.config, repeat_payments=repeat))
        self.save_webhook(PEOPLE[0], URLS[0])
        self.order(PEOPLE[0], amount, "INR", [UPI, CARD])

    @rule(step=steps)
    def live(self, step: tuple[Any, ...]) -> None:
        """One rule for all, because Hypothesis would switch off some of several, and too often the bank."""
        name, *arguments = step
        getattr(self, name)(*arguments)

    # What merchants and payers do.

    def order(self, merchant_id: str, amount: int, currency: str, instruments: list[dict[str, Any]]) -> None:
        with transaction():
            order_id = orders.create(merchant_id, OrderBody(amount=amount, currency=currency)).id
        self.orders[order_id] = BookedOrder(
            id=order_id, merchant_id=merchant_id, amount=amount, currency=currency
        )
        self.pay(0, instruments)

    def pay(self, at: int, instruments: list[dict[str, Any]]) -> None:
        order = newest(self.orders, at)
        for instrument in instruments:
            is_refused = order.won_by is not None and not self.repeat_payments
            assert self.try_to_pay(order, instrument) == (not is_refused)

    def try_to_pay(self, order: BookedOrder, instrument: dict[str, Any]) -> bool:
        asked = methods.read({"order_id": order.id, **instrument})
        with transaction():
            found = orders.find(order.id, order.merchant_id)
            try:
                payments.check(found, asked)
            except BadRequest as refusal:
                assert refusal.reason == "order_already_paid"
                return False
            payment = payments.create(found, methods.instrument(asked, lambda card: "tok_1"))
        assert (payment.amount, payment.currency) == (order.amount, order.currency)
        booked = BookedPayment(id=payment.id, order=order, due_s=self.ahead_s + PAYMENT_DELAY_S)
        order.payments.append(booked)
        self.payments[payment.id] = booked
        return True

    def payment(self, at: int) -> BookedPayment:
        """A payment; those that have succeeded stand first."""
        known = [*reversed(self.payments.values())]
        known.sort(key=lambda payment: payment.status != "success")
        return known[at % len(known)]

    def capture(self, at: int, amount: str | None) -> None:
        payment = self.payment(at)
        asked = {None: None, "all": payment.amount, "less": payment.amount - 1}[amount]
        has_something = payment.status == "success" and payment.reserved < payment.amount
        is_taken = has_something and not payment.is_captured and amount != "less"
        try:
            with transaction():
                payments.capture(payment.order.merchant_id, "test", payment.id, asked)
        except BadRequest:
            assert not is_taken
        else:
            assert is_taken
            payment.is_captured = True

    def refund(self, at: int, amounts: list[int | str]) -> None:
        payment = self.payment(at)
        for amount in amounts:
            left = payment.amount - payment.reserved
            words = {"half": max(1, left // 2), "all": max(1, left), "too much": left + 1}
            self.try_to_refund(payment, words.get(amount, amount))

    def try_to_refund(self, payment: BookedPayment, amount: int) -> None:
        is_taken = payment.status == "success" and payment.reserved + amount <= payment.amount
        try:
            with transaction():
                refund = refunds.create(payment.order.merchant_id, payment.id, amount, None)
        except BadRequest:
            assert not is_taken
        else:
            assert is_taken
            self.book_refund(refund.id, payment, amount)

    def book_refund(self, refund_id: str, payment: BookedPayment, amount: int) -> None:
        due_s = self.ahead_s + REFUND_DELAY_S
        booked = BookedRefund(id=refund_id, payment=payment, amount=amount, due_s=due_s)
        payment.refunds.append(booked)
        self.refunds[refund_id] = booked

    def save_webhook(self, merchant_id: str, url: str | None) -> None:
        with transaction():
            endpoints.configure(merchant_id, "test", url)
        self.endpoints[merchant_id] = BookedEndpoint(url)

    def retry_by_hand(self, at: int) -> None:
        """Those under way stand first."""
        known = [*reversed(self.deliveries.values())]
        known.sort(key=lambda delivery: not delivery.is_held)
        if not known:
            return
        delivery = known[at % len(known)]
        with transaction():
            deliveries.retry(delivery.merchant_id, "test", delivery.id)
        delivery.status, delivery.attempts, delivery.due_s = "pending", 0, self.ahead_s

    # What workers do, and what they are answered.

    def workers_look(self, after_s: int, limit: int) -> None:
        self.ahead_s += after_s
        clock.move(self.ahead_s)
        self.claim_payments(limit)
        self.claim_refunds(limit)
        self.hand_out_events()
        self.claim_deliveries()

    def answers_come(
        self,
        of_payments: list[tuple[int, Answer]],
        of_refunds: list[tuple[int, Answer]],
        of_deliveries: list[tuple[int, Receipt]],
    ) -> None:
        """No claim is ever forgotten: an answer may come after its lease was lost, and again."""
        self.settle_payments(told(self.payment_claims, of_payments))
        self.settle_refunds(told(self.refund_claims, of_refunds))
        self.record_deliveries(told(self.delivery_claims, of_deliveries))

    def work_off(self, said: list[Answer], ended: list[Receipt]) -> None:
        """Some calm hours: all that is due is taken outside, and each of them is answered in time."""
        self.workers_look(LONG_S, 100)
        self.settle_payments(pair(held(self.payments, self.payment_claims), said))
        self.settle_refunds(pair(held(self.refunds, self.refund_claims), said))
        self.record_deliveries(pair(held(self.deliveries, self.delivery_claims), ended))

    def workers_die(self, is_restarted: bool) -> None:
        """As if the workers had been killed in the midst of it and their time were over."""
        for model in (Payment, Refund, Delivery):
            with transaction():
                is_held = model.lease_until.is_not(None)
                session().execute(update(model).where(is_held).values(lease_until=seconds_from_now(-1)))
        for row in (*self.payments.values(), *self.refunds.values(), *self.deliveries.values()):
            row.is_held = False
        if is_restarted:
            self.workers_look(0, MANY)

    def claim_payments(self, limit: int) -> None:
        with transaction():
            claims = payments.claim(limit)
        self.book_leases(self.payments, claims, limit)
        for claim in claims:
            self.payments[claim.id].is_announced = True
        self.payment_claims += claims

    def claim_refunds(self, limit: int) -> None:
        with transaction():
            claims = refunds.claim(limit)
        self.book_leases(self.refunds, claims, limit)
        self.refund_claims += claims

    def book_leases(self, booked: dict[str, Any], claims: list[Any], limit: int) -> None:
        sort_like(booked, claims)
        self.check_claimed(booked, [claim.id for claim in claims], limit)
        for claim in claims:
            row = booked[claim.id]
            row.attempts += 1
            row.token, row.is_held = claim.token, True
            assert claim.attempt == row.attempts

    def check_claimed(self, booked: dict[str, Any], ids: list[str], limit: int) -> None:
        free = [row for row in booked.values() if row.due_s is not None and not row.is_held]
        must = {row.id for row in free if row.due_s <= self.ahead_s}
        # The real time that has passed counts, too.
        may = {row.id for row in free if row.due_s <= self.ahead_s + self.open_for_s()}
        assert len(ids) == len(set(ids)) <= limit
        assert set(ids) <= may
        assert len(ids) == limit or set(ids) >= must

    def settle_payments(self, results: list[tuple[payments.Claim, Answer]]) -> None:
        with transaction():
            payments.settle(results)
        succeeded = []
        for payment, claim, answer in standing(self.payments, results):
            if not answer.outcome.is_final:
                self.book_inquiry(payment, claim)
            elif answer.outcome is Outcome.SUCCESS:
                book_end(payment, "success")
                succeeded.append(payment)
            else:
                book_end(payment, "failed")
        self.book_wins(succeeded)

    def book_wins(self, succeeded: list[BookedPayment]) -> None:
        """Which of several successes in one batch wins an order is the gateway's choice."""
        winners = {row["paid_payment_id"] for row in rows("SELECT * FROM orders")}
        for payment in succeeded:
            if payment.order.won_by is None and payment.id in winners:
                payment.order.won_by = payment.id
        for payment in succeeded:
            assert payment.order.won_by is not None
            if payment.order.won_by != payment.id and not self.repeat_payments:
                (refund,) = rows("SELECT * FROM refunds WHERE payment_id = :id", id=payment.id)
                assert (refund["amount"], refund["reason"]) == (payment.amount, refunds.DUPLICATE_REASON)
                self.book_refund(refund["id"], payment, payment.amount)

    def settle_refunds(self, results: list[tuple[refunds.Claim, Answer]]) -> None:
        with transaction():
            refunds.settle(results)
        for refund, claim, answer in standing(self.refunds, results):
            if answer.outcome.is_final:
                book_end(refund, "processed" if answer.outcome is Outcome.SUCCESS else "failed")
            else:
                self.book_inquiry(refund, claim)

    def book_inquiry(self, row: Waiting, claim: Any) -> None:
        waits_s = work.INQUIRY_WAITS_S
        is_over = claim.attempt > len(waits_s)
        book_end(row, "pending")
        row.due_s = None if is_over else self.ahead_s + waits_s[claim.attempt - 1]

    def hand_out_events(self) -> None:
        with_place = "SELECT id, merchant_id FROM events WHERE sequence IS NOT NULL"
        before = {row["id"] for row in rows(with_place)}
        waiting = rows("SELECT id FROM events WHERE sequence IS NULL")
        new = [payment for payment in self.payments.values() if not payment.is_announced]
        with transaction():
            announcing.announce_new()
            assert events.fan_out() == len(waiting) + 2 * len(new)
        for payment in new:
            payment.is_announced = True
        self.numbered += len(waiting) + 2 * len(new)
        owner = {row["id"]: str(row["merchant_id"]) for row in rows(with_place) if row["id"] not in before}
        wanted = {event_id for event_id, owner_id in owner.items() if self.endpoints[owner_id].is_usable}
        made = [row for row in rows("SELECT * FROM webhook_logs") if row["event_id"] in owner]
        assert len(made) == len(wanted) and {row["event_id"] for row in made} == wanted
        for row in sorted(made, key=lambda row: json.loads(row["payload"])["sequence"]):
            delivery_id, merchant_id = str(row["id"]), owner[row["event_id"]]
            self.deliveries[delivery_id] = BookedDelivery(
                id=delivery_id, merchant_id=merchant_id, due_s=self.ahead_s + RETRY_WAITS_S[0]
            )

    def claim_deliveries(self) -> None:
        with transaction():
            claims = dispatch.claim(MANY, {}, MANY)
        sort_like(self.deliveries, claims)
        self.book_unsendable()
        self.check_claimed(self.deliveries, [claim.delivery_id for claim in claims], MANY)
        for claim in claims:
            delivery = self.deliveries[claim.delivery_id]
            was_interrupted = delivery.token is not None and delivery.attempts > 0
            delivery.attempts += not was_interrupted
            delivery.token, delivery.is_held = claim.token, True
            assert claim.number == delivery.attempts
            assert claim.url == self.endpoints[delivery.merchant_id].url
        self.delivery_claims += claims

    def book_unsendable(self) -> None:
        """A due delivery whose endpoint is gone has failed."""
        for delivery in self.deliveries.values():
            is_due = delivery.due_s is not None and delivery.due_s <= self.ahead_s
            if is_due and not delivery.is_held and not self.endpoints[delivery.merchant_id].is_usable:
                book_end(delivery, "failed")

    def record_deliveries(self, results: list[tuple[dispatch.Claim, Receipt]]) -> None:
        with transaction():
            dispatch.record(results)
        for claim, receipt in results:
            delivery = self.deliveries[claim.delivery_id]
            if delivery.token == claim.token:
                self.book_attempt(delivery, claim, receipt)

    def book_attempt(self, delivery: BookedDelivery, claim: dispatch.Claim, receipt: Receipt) -> None:
        delivery.attempts = max(delivery.attempts, 1)
        endpoint = self.endpoints[delivery.merchant_id]
        if receipt is GONE and endpoint.url == claim.url:
            endpoint.is_enabled = False
        if receipt is THANKS:
            book_end(delivery, "success")
        elif receipt is GONE or delivery.attempts == len(RETRY_WAITS_S):
            book_end(delivery, "failed")
        else:
            book_end(delivery, "pending")
            wait_s = max(RETRY_WAITS_S[delivery.attempts], receipt.retry_after_s or 0)
            delivery.due_s = self.ahead_s + wait_s

    # What must be so after every step.

    @invariant()
    def everything_is_as_booked(self) -> None:
        self.orders_are_as_booked()
        self.payments_are_as_booked()
        self.refunds_are_as_booked()
        self.balances_are_as_booked()
        self.events_are_as_booked()
        self.deliveries_are_as_booked()

    def orders_are_as_booked(self) -> None:
        found = {row["id"]: (row["status"], row["paid_payment_id"]) for row in rows("SELECT * FROM orders")}
        assert found == {order.id: (order.status, order.won_by) for order in self.orders.values()}

    def payments_are_as_booked(self) -> None:
        found = rows("SELECT * FROM payments")
        money = ("status", "captured", "refunds_reserved", "amount_refunded")
        assert {row["id"]: tuple(row[name] for name in money) for row in found} == {
            payment.id: (payment.status, payment.is_captured, payment.reserved, payment.refunded)
            for payment in self.payments.values()
        }
        assert all(payment.reserved <= payment.amount for payment in self.payments.values())
        self.check_dues(found, self.payments)

    def refunds_are_as_booked(self) -> None:
        found = rows("SELECT * FROM refunds")
        assert {row["id"]: (row["payment_id"], row["amount"], row["status"]) for row in found} == {
            refund.id: (refund.payment.id, refund.amount, refund.status) for refund in self.refunds.values()
        }
        self.check_dues(found, self.refunds)

    def check_dues(self, found: list[dict[str, Any]], booked: dict[str, Any]) -> None:
        """What has no final answer is due, or flagged for a human."""
        for row in found:
            self.check_due(row["due_at"], booked[row["id"]].due_s)
            assert (row["flagged"] is not None) == (row["status"] == "pending" and row["due_at"] is None)
            assert row["attempts"] == booked[row["id"]].attempts

    def check_due(self, found: Any, booked_s: float | None) -> None:
        """The books do not count the real time that passes; it may be in the row."""
        if booked_s is None or found is None:
            assert found is None and booked_s is None
            return
        late = moment(found) - self.opened_at - timedelta(seconds=booked_s)
        assert timedelta() <= late <= timedelta(seconds=self.open_for_s())

    def balances_are_as_booked(self) -> None:
        with reading():
            found = {merchant_id: ledger.balances(merchant_id) for merchant_id in PEOPLE}
        assert found == self.booked_balances()
        for currencies in found.values():
            assert all(sum(accounts.values()) == 0 for accounts in currencies.values())

    def booked_balances(self) -> dict[str, dict[str, dict[str, int]]]:
        balances: dict[str, dict[str, dict[str, int]]] = {merchant_id: {} for merchant_id in PEOPLE}
        for payment in self.payments.values():
            if payment.status != "success":
                continue
            currencies = balances[payment.order.merchant_id]
            accounts = currencies.setdefault(payment.order.currency, dict.fromkeys(ledger.ACCOUNTS, 0))
            home = "merchant_balance" if payment.is_captured else "merchant_uncaptured"
            accounts["processor_receivable"] -= payment.amount
            accounts[home] += payment.amount - payment.reserved
            accounts["refunds_reserved"] += payment.reserved - payment.refunded
            accounts["refunds_paid"] += payment.refunded
        return balances

    def events_are_as_booked(self) -> None:
        """Each deed has one event, and sequences have neither gap nor twin."""
        found = rows("SELECT * FROM events ORDER BY sequence")
        told_of = Counter(
            (row["payment_id"], row["event"], json.loads(row["data"]).get("refund", {}).get("id"))
            for row in found
        )
        assert told_of == Counter(self.booked_events())
        numbered = [row for row in found if row["sequence"] is not None]
        for merchant_id in PEOPLE:
            own = [row["sequence"] for row in numbered if str(row["merchant_id"]) == merchant_id]
            assert own == list(range(1, len(own) + 1))
        assert len(numbered) == self.numbered

    def booked_events(self) -> Iterator[tuple[str, str, str | None]]:
        for payment in self.payments.values():
            names = ["payment.created", "payment.pending"] * payment.is_announced
            names += [f"payment.{payment.status}"] * (payment.status != "pending")
            names += ["payment.captured"] * payment.is_captured
            names += ["order.paid"] * (payment.order.won_by == payment.id)
            yield from ((payment.id, name, None) for name in names)
            for refund in payment.refunds:
                yield payment.id, "refund.created", refund.id
                if refund.status != "pending":
                    yield payment.id, f"refund.{refund.status}", refund.id

    def deliveries_are_as_booked(self) -> None:
        found = rows("SELECT * FROM webhook_logs")
        assert {str(row["id"]): (row["status"], row["attempts"]) for row in found} == {
            delivery.id: (delivery.status, delivery.attempts) for delivery in self.deliveries.values()
        }
        for row in found:
            booked = self.deliveries[str(row["id"])]
            assert (row["lease_token"] and str(row["lease_token"])) == booked.token
            self.check_due(row["next_retry_at"], booked.due_s)

    def open_for_s(self) -> float:
        return (clock.now() - self.opened_at).total_seconds() - self.ahead_s

    def teardown(self) -> None:
        """At the end of the day everything comes to its end, and an auditor looks at the books."""
        with reading():
            assert verification.complaints() == {}
        waiting = [*self.payments.values(), *self.refunds.values(), *self.deliveries.values()]
        for _ in range(ROUNDS_TO_AN_END):
            self.workers_die(False)
            self.work_off([PAID], [THANKS])
        self.everything_is_as_booked()
        assert all(row.due_s is None for row in waiting)
        with reading():
            assert verification.complaints() == {}


def book_end(row: Waiting, status: str) -> None:
    row.status, row.due_s, row.token, row.is_held = status, None, None, False


def id_of(claim: Any) -> str:
    return str(claim.delivery_id if isinstance(claim, dispatch.Claim) else claim.id)


def newest(booked: dict[str, Any], at: int) -> Any:
    """One of the booked things; 0 is the newest."""
    return list(booked.values())[-1 - at % len(booked)]


def sort_like(booked: dict[str, Any], claims: list[Any]) -> None:
    order = {row_id: number for number, row_id in enumerate(booked)}
    claims.sort(key=lambda claim: order[id_of(claim)])


def told(claims: list[Any], said: list[tuple[int, Any]]) -> list[tuple[Any, Any]]:
    """What is said in one batch about these claims, once about each."""
    return [(claims[-1 - at], what) for at, what in dict(said).items() if at < len(claims)]


def pair(claims: list[Any], said: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(claims, cycle(said), strict=False))


def held(booked: dict[str, Any], claims: list[Any]) -> list[Any]:
    """The claims whose lease nobody else has taken."""
    return [claim for claim in claims if booked[id_of(claim)].token == claim.token]


def standing(booked: dict[str, Any], results: list[tuple[Any, Answer]]) -> list[tuple[Any, Any, Answer]]:
    """The rows that these answers reach, with their claims."""
    return [
        (booked[claim.id], claim, answer)
        for claim, answer in results
        if booked[claim.id].token == claim.token
    ]


def rows(sql: str, **values: Any) -> list[dict[str, Any]]:
    with db.engine().connect() as connection:
        return [dict(row) for row in connection.execute(text(sql), values).mappings()]


def test_the_money_adds_up_whatever_happens(
    config: Config, prepared: tuple[Config, dict[str, list[dict[str, Any]]]]
) -> None:
    """`config` connects before and tidies up after; each day in between empties the database itself."""
    _, people = prepared
    # The engines live different days, but the same ones every time.
    market = seed(int(config.is_embedded))(lambda: Market(config, people))
    days = hypothesis_settings(
        max_examples=DAYS,
        stateful_step_count=STEPS_A_DAY,
        derandomize=True,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(market, settings=days)
