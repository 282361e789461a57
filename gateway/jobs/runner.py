"""The worker's way through its queues: record, claim, go outside.

A runner owns the one thread that talks to the database. In one round it writes
down what has come back and claims what is due, for all its queues and in one
transaction. What needs nobody outside is done in the midst of it, so that a
payment's webhook is on its way with the one commit that claims and settles the
payment. It looks when a bell rings, when something finishes, when the next row
falls due, and every second in any case; so a lost bell costs a second and
nothing else.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from gateway.core import clock
from gateway.core.db import is_rung, transaction
from gateway.core.errors import Busy, Unavailable
from gateway.jobs.desk import LOOK_EVERY_S, REST_AFTER_TROUBLE_S, Desk, Job, Turn

log = logging.getLogger(__name__)

# Calls that end at nearly the same time are written down together.
_GATHER_S = 0.002


class Runner(threading.Thread):
    """Works through its queues until told to stop, then finishes what is under way."""

    def __init__(self, jobs: Sequence[Job[Any, Any]]) -> None:
        super().__init__(name="runner", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self.desks = {job.queue: Desk(job, self._wake.set) for job in jobs}

    def ring(self, queue: str) -> None:
        """Say that something may be due in this queue."""
        self.desks[queue].ring()
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; the thread ends when the calls under way are recorded."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        while not (self._stopping and all(desk.is_idle for desk in self.desks.values())):
            try:
                wait_s = self.step()
            except Unavailable:
                wait_s = REST_AFTER_TROUBLE_S  # already logged; the rows wait
            except Exception:
                log.exception("a round failed")
                wait_s = REST_AFTER_TROUBLE_S
            self._wake.wait(wait_s)
            self._wake.clear()
        for desk in self.desks.values():
            desk.close()

    def step(self) -> float:
        """One round. Returns how many seconds may pass until the next, unless somebody wakes us."""
        if any(desk.is_waiting_for_more for desk in self.desks.values()):
            time.sleep(_GATHER_S)
        turns = [turn for desk in self.desks.values() if (turn := desk.turn()) is not None]
        looked_at = clock.now()
        if turns:
            self._take(turns)
        for turn in turns:
            turn.desk.start(turn.claims)
        if self._stopping:
            return LOOK_EVERY_S
        for turn in turns:
            if turn.free > 0:
                turn.desk.look_again(looked_at, has_found=turn.is_full, only_new=turn.only_new)
            else:
                turn.desk.look_later()
        return min(LOOK_EVERY_S, *(desk.wait_s() for desk in self.desks.values()))

    def _take(self, turns: list[Turn]) -> None:
        """Record and claim for all at once, and for those, too, that hear of it only by this."""
        try:
            with transaction(is_patient=False):
                for turn in turns:
                    turn.record()
                if not self._stopping:
                    self._claim_all(turns)
        except Exception as error:
            if isinstance(error, Unavailable) and not isinstance(error, Busy):
                for turn in turns:
                    self._keep(turn)
                raise
            if not isinstance(error, Busy):
                log.exception("a round failed, now each queue by itself")
            for turn in turns:
                self._take_alone(turn)
        else:
            for turn in turns:
                turn.desk.let_go(turn.results)

    def _claim_all(self, turns: list[Turn]) -> None:
        for turn in turns:
            if (hold := turn.desk.job.hold) is not None:
                turn.do(hold)
        self._add_rung(turns)
        for turn in turns:
            if turn.desk.job.hold is None:
                turn.claim()

    def _add_rung(self, turns: list[Turn]) -> None:
        """Turns of those desks that had nothing to do until this round gave it to them."""
        busy = [turn.desk for turn in turns]
        for queue, desk in self.desks.items():
            if desk not in busy and is_rung(queue) and (turn := desk.turn(has_new=True)) is not None:
                turns.append(turn)
                turn.record()

    def _keep(self, turn: Turn) -> None:
        if self._stopping:
            turn.desk.let_go(turn.results)
        else:
            # Kept until the database is back; should a lease run out by then, the result is dropped.
            turn.desk.keep(turn.results)

    def _take_alone(self, turn: Turn) -> None:
        """One desk's part, its trouble being nobody else's."""
        queue = turn.desk.job.queue
        turn.forget()
        try:
            self._record_alone(turn)
        except Unavailable:
            self._keep(turn)
            turn.desk.rest()
            return
        turn.desk.let_go(turn.results)
        try:
            with transaction():
                if not self._stopping:
                    turn.claim()
        except Unavailable:
            turn.forget()  # already logged
        except Exception:
            log.exception("queue %s: nothing could be claimed", queue)
            turn.forget()

    def _record_alone(self, turn: Turn) -> None:
        queue = turn.desk.job.queue
        try:
            with transaction():
                turn.record()
        except Unavailable:
            raise
        except Exception:
            log.exception("queue %s: a batch of %d failed, now one by one", queue, len(turn.results))
            for result in turn.results:
                try:
                    with transaction():
                        turn.desk.job.record([result])
                except Exception:
                    log.exception("queue %s: one result could not be written", queue)
