"""A crowd: several processes, several threads in each, who all do a thing at the same moment."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateway.app import connect
from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.db import transaction
from gateway.core.errors import BadRequest, Unavailable
from gateway.core.processor import Answer, Outcome
from gateway.core.sending import Receipt
from gateway.domain import deliveries, events, payments, refunds

PROCESSES = 4
PAID = Answer(Outcome.SUCCESS)


class Crowd:
    """Use in a `with` block; `rush` returns what each of them came back with."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(PROCESSES, _arrive, (environ,))

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()
        self._pool.join()

    def rush(self, deed: Callable[..., Any], errands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Every errand in a thread of its own, spread over the processes, all begun together."""
        begin_at = time.time() + 0.05
        shares = [(deed, errands[number::PROCESSES], begin_at) for number in range(PROCESSES)]
        found = self._pool.map(_run, [share for share in shares if share[1]], chunksize=1)
        return [each for share in found for each in share]


def _arrive(environ: dict[str, str]) -> None:
    connect(Config.from_env(environ))


def _run(share: tuple[Callable[..., Any], Sequence[tuple[Any, ...]], float]) -> list[Any]:
    deed, errands, begin_at = share
    gate = threading.Barrier(len(errands))

    def go(errand: tuple[Any, ...]) -> Any:
        gate.wait()
        time.sleep(max(0.0, begin_at - time.time()))
        return deed(*errand)

    with ThreadPoolExecutor(len(errands)) as threads:
        return list(threads.map(go, errands))


def ask_refund(merchant_id: str, payment_id: str, amount: int) -> str:
    """`accepted`, `refused`, or `busy` where the database asked to come back later."""
    try:
        with transaction():
            refunds.create(merchant_id, payment_id, amount, None)
    except BadRequest as refusal:
        return str(refusal.reason and "refused")
    except Unavailable:
        return "busy"
    return "accepted"


def capture_or_refund(merchant_id: str, payment_id: str, amount: int, captures: bool) -> tuple[bool, str]:
    if not captures:
        return captures, ask_refund(merchant_id, payment_id, amount)
    try:
        with transaction():
            payments.capture(merchant_id, "race", payment_id, None)
    except BadRequest:
        return captures, "refused"
    return captures, "accepted"


def settle_all(repeat_payments: bool) -> int:
    """Claim and settle until nothing is due; says how many this worker claimed."""
    from dataclasses import replace

    settings.use(replace(settings.current(), repeat_payments=repeat_payments))
    done = 0
    while True:
        with transaction():
            claims = payments.claim(7)
        if not claims:
            return done
        with transaction():
            payments.settle([(claim, PAID) for claim in claims])
        done += len(claims)


def tell(claim: payments.Claim) -> None:
    with transaction():
        payments.settle([(claim, PAID)])


def hand_out_all() -> int:
    taken = 0
    while True:
        with transaction():
            count = events.fan_out()
        if not count:
            return taken
        taken += count


def deliver_all(worker: int) -> list[str]:
    """Claim and record until nothing is due; the ids of what this worker sent."""
    sent: list[str] = []
    while True:
        with transaction():
            claims = deliveries.claim(5, {}, 100)
        if not claims:
            return sent
        sent += [claim.delivery_id for claim in claims]
        with transaction():
            deliveries.record([(claim, Receipt("success", 1, response_code=200)) for claim in claims])
