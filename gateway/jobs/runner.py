"""One worker's way through a queue: claim, go outside, record.

A runner owns one thread that talks to the database and a pool of threads that
go outside. It claims no more than it has threads free, so nothing waits
claimed, and it writes results in batches as they come. It looks when a bell
rings, when something finishes, when the next row falls due, and every second
in any case; so a lost bell costs a second and nothing else.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from gateway.core import clock
from gateway.core.db import transaction
from gateway.core.errors import Unavailable

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
_REST_AFTER_TROUBLE_S = 1.0

Claim = TypeVar("Claim")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job(Generic[Claim, Result]):
    """What a runner does for its queue.

    claim(free, under_way)  lease due rows, at most `free`, in transactions of its own
    call(claim)             the one call outside; with no transaction open
    record(results)         write the outcomes down; in the runner's transaction
    next_due()              when the next row falls due
    is_quick                the call does not really leave the process, so it needs no thread of its own
    """

    queue: str
    slots: int
    claim: Callable[[int, Sequence[Claim]], Sequence[Claim]]
    call: Callable[[Claim], Result]
    record: Callable[[Sequence[tuple[Claim, Result]]], None]
    next_due: Callable[[], datetime | None]
    is_quick: bool = False


class Runner(threading.Thread):
    """Works through one queue until told to stop, then finishes what is under way."""

    def __init__(self, job: Job[Any, Any]) -> None:
        super().__init__(name=f"runner-{job.queue}", daemon=True)
        self.job = job
        self._wake = threading.Event()
        self._stopping = False
        self._under_way: dict[int, Any] = {}
        self._finished: deque[tuple[Any, Any]] = deque()
        self._pool = ThreadPoolExecutor(job.slots, thread_name_prefix=f"call-{job.queue}")

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; the thread ends when the calls under way are recorded."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        while not (self._stopping and not self._under_way and not self._finished):
            try:
                wait_s = self.step()
            except Unavailable:
                wait_s = _REST_AFTER_TROUBLE_S  # already logged; the rows wait
            except Exception:
                log.exception("queue %s: a round failed", self.job.queue)
                wait_s = _REST_AFTER_TROUBLE_S
            self._wake.wait(wait_s)
            self._wake.clear()
        self._pool.shutdown()

    def step(self) -> float:
        """One round. Returns how many seconds may pass until the next, unless somebody wakes us."""
        self._record_finished()
        free = self.job.slots - len(self._under_way)
        if self._stopping or free <= 0:
            return LOOK_EVERY_S
        looked_at = clock.now()
        claims = self.job.claim(free, list(self._under_way.values()))
        for claim in claims:
            self._under_way[id(claim)] = claim
        for claim in claims:
            if self.job.is_quick:
                self._call(claim)
            else:
                self._pool.submit(self._call, claim)
        if claims:
            return 0.0
        return _wait_s(self.job.next_due(), looked_at)

    def _call(self, claim: Any) -> None:
        try:
            result = self.job.call(claim)
        except Exception:
            # The row keeps its lease and is claimed again when that runs out.
            log.exception("queue %s: a call failed", self.job.queue)
            self._under_way.pop(id(claim), None)
        else:
            self._finished.append((claim, result))
        self._wake.set()

    def _record_finished(self) -> None:
        results = [self._finished.popleft() for _ in range(len(self._finished))]
        if not results:
            return
        try:
            self._record(results)
        except Unavailable:
            if not self._stopping:
                # Kept until the database is back; should a lease run out by then, the result is dropped.
                self._finished.extendleft(reversed(results))
                raise
        for claim, _ in results:
            self._under_way.pop(id(claim), None)

    def _record(self, results: list[tuple[Any, Any]]) -> None:
        try:
            with transaction():
                self.job.record(results)
        except Unavailable:
            raise
        except Exception:
            log.exception("queue %s: a batch of %d failed, now one by one", self.job.queue, len(results))
            for result in results:
                self._record_alone(result)

    def _record_alone(self, result: tuple[Any, Any]) -> None:
        try:
            with transaction():
                self.job.record([result])
        except Exception:
            log.exception("queue %s: one result could not be written", self.job.queue)


def _wait_s(due_at: datetime | None, looked_at: datetime) -> float:
    """How long nothing can be due: not at all for a row that fell due after we looked."""
    # Due when we looked and yet not claimed: its endpoint is busy, or another worker is at it.
    if due_at is None or due_at <= looked_at:
        return LOOK_EVERY_S
    return min(max((due_at - clock.now()).total_seconds(), 0.0), LOOK_EVERY_S)
