"""A desk of the worker: what it does for one queue, what it has in hand, and when it wants to look again."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from gateway.core import clock

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
REST_AFTER_TROUBLE_S = 1.0

Claim = TypeVar("Claim")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job(Generic[Claim, Result]):
    """What a worker does for a queue.

    claim(free, under_way)  lease due rows, at most `free`; in the caller's transaction
    claim_new(free, under_way)  where that is less to ask: the same of what is new to the queue, such as the
                            caller's transaction has made; not of rows that wait for their time
    call(claim)             the one call outside; with no transaction open
    record(results)         write the outcomes down; in the caller's transaction
    next_due()              when the next row falls due
    begin(claim)            where a call need not hold a thread: make it without waiting
    hold(free)              where a call neither leaves the process nor leaves a trace outside: lock due
                            rows, at most `free`; call and record follow in the same transaction
    """

    queue: str
    slots: int
    claim: Callable[[int, Sequence[Claim]], Sequence[Claim]]
    call: Callable[[Claim], Result]
    record: Callable[[Sequence[tuple[Claim, Result]]], None]
    next_due: Callable[[], datetime | None]
    begin: Callable[[Claim], Future[Result]] | None = None
    hold: Callable[[int], Sequence[Claim]] | None = None
    claim_new: Callable[[int, Sequence[Claim]], Sequence[Claim]] | None = None


class Desk:
    """Holds no more claims than it has threads, so nothing waits claimed.

    wake  is called whenever a call has ended
    """

    def __init__(self, job: Job[Any, Any], wake: Callable[[], None]) -> None:
        self.job = job
        self._wake = wake
        self._under_way: dict[int, Any] = {}
        self._finished: deque[tuple[Any, Any]] = deque()
        self._pool = ThreadPoolExecutor(job.slots, thread_name_prefix=f"call-{job.queue}")
        self._is_rung = False
        self._looks_at_s = 0.0
        self._rests_until_s = 0.0

    def ring(self) -> None:
        """Say that something may be due."""
        self._is_rung = True

    def close(self) -> None:
        self._pool.shutdown()

    @property
    def is_idle(self) -> bool:
        return not self._under_way and not self._finished

    @property
    def is_waiting_for_more(self) -> bool:
        """Whether some calls have ended, but not all, and nobody has rung."""
        return not self._is_rung and 0 < len(self._finished) < len(self._under_way)

    def wait_s(self) -> float:
        """How many seconds may pass before it wants to look."""
        looks_at_s = 0.0 if self._is_rung else self._looks_at_s
        return max(0.0, max(looks_at_s, self._rests_until_s) - time.monotonic())

    def turn(self, *, has_new: bool = False) -> "Turn | None":
        """What there is to do at this moment, if anything; `has_new` says that this round makes some."""
        if time.monotonic() < self._rests_until_s:
            return None
        results = [self._finished.popleft() for _ in range(len(self._finished))]
        is_time = self._is_rung or bool(results) or time.monotonic() >= self._looks_at_s
        if not (is_time or has_new):
            return None
        self._is_rung = False
        free = self.job.slots - len(self._under_way) + len(results)
        ended = {id(claim) for claim, _ in results}
        under_way = [each for at, each in self._under_way.items() if at not in ended]
        return Turn(self, results, free, under_way, only_new=not is_time)

    def keep(self, results: Sequence[tuple[Any, Any]]) -> None:
        """Hold on to results that could not be written now."""
        self._finished.extendleft(reversed(results))

    def rest(self) -> None:
        """Leave it alone for a while: others should not wait for what holds it up."""
        self._rests_until_s = time.monotonic() + REST_AFTER_TROUBLE_S

    def let_go(self, results: Sequence[tuple[Any, Any]]) -> None:
        """They are written down, or nobody could write them."""
        for claim, _ in results:
            self._under_way.pop(id(claim), None)

    def start(self, claims: Sequence[Any]) -> None:
        """Go outside for each of them."""
        for claim in claims:
            self._under_way[id(claim)] = claim
        for claim in claims:
            self._begin(claim).add_done_callback(partial(self._end, claim))

    def _begin(self, claim: Any) -> Future[Any]:
        if self.job.begin is None and self.job.hold is None:
            return self._pool.submit(self.job.call, claim)
        at_once = Future[Any]()
        try:
            if self.job.begin is not None:
                return self.job.begin(claim)
            at_once.set_result(self.job.call(claim))
        except Exception as error:
            at_once.set_exception(error)
        return at_once

    def look_again(self, looked_at: datetime, has_found: bool, only_new: bool = False) -> None:
        """Plan the next look: at once where there may be more, or when the next row falls due.

        A look only for what is new does not put off the next whole one.
        """
        is_time = has_found or self._is_rung or bool(self._finished)
        wait_s = 0.0 if is_time else _wait_s(self.job.next_due(), looked_at)
        looks_at_s = time.monotonic() + wait_s
        self._looks_at_s = min(self._looks_at_s, looks_at_s) if only_new else looks_at_s

    def look_later(self) -> None:
        self._looks_at_s = time.monotonic() + LOOK_EVERY_S

    def _end(self, claim: Any, call: Future[Any]) -> None:
        try:
            result = call.result()
        except Exception:
            # The row keeps its lease and is claimed again when that runs out.
            log.exception("queue %s: a call failed", self.job.queue)
            self._under_way.pop(id(claim), None)
        else:
            self._finished.append((claim, result))
        self._wake()


@dataclass(eq=False)
class Turn:
    """One desk's part of a round. `claims` is what is to be started after the commit.

    only_new  whether it is not yet time to look for anything but what this round makes
    """

    desk: Desk
    results: Sequence[tuple[Any, Any]]
    free: int
    under_way: Sequence[Any]
    only_new: bool = False
    claims: Sequence[Any] = ()
    is_full: bool = False

    def record(self) -> None:
        if self.results:
            self.desk.job.record(self.results)

    def claim(self) -> None:
        job = self.desk.job
        claim = job.claim_new if self.only_new and job.claim_new is not None else job.claim
        self.claims = claim(self.free, self.under_way) if self.free > 0 else []
        self.is_full = len(self.claims) >= self.free

    def forget(self) -> None:
        """Nothing was claimed after all."""
        self.claims, self.is_full = [], False

    def do(self, hold: Callable[[int], Sequence[Any]]) -> None:
        """Hold, call and record at once. Whatever fails is everybody's, and is then tried the long way."""
        held = hold(self.free) if self.free > 0 else []
        self.is_full = len(held) >= self.free
        if held:
            self.desk.job.record([(claim, self.desk.job.call(claim)) for claim in held])


def _wait_s(due_at: datetime | None, looked_at: datetime) -> float:
    """How long nothing can be due: not at all for a row that fell due after we looked."""
    # Due when we looked and yet not claimed: its endpoint is busy, or another worker is at it.
    if due_at is None or due_at <= looked_at:
        return LOOK_EVERY_S
    return min(max((due_at - clock.now()).total_seconds(), 0.0), LOOK_EVERY_S)
