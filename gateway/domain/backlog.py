"""Giving way to the workers while accepted payments wait for them.

Where web and workers share processors, workers go first (core/priority.py). That
is not enough where web processes have more processors than a worker can use, or
where nobody weighs them: every payment of a flood would be accepted at once and
settled seconds later. So while due payments wait for a worker, requests that
bring an Idempotency-Key are let in some milliseconds later and in larger groups,
which are cheaper. What the web leaves over is what the workers need to keep up.
"""

import math
import time
from datetime import timedelta

from gateway.core import clock
from gateway.core.db import ask
from gateway.core.errors import Unavailable
from gateway.core.lookups import company_s
from gateway.core.statements import Statement, moment
from gateway.domain.workers import STALE_AFTER_S

# How long a payment may wait for its worker: about as long as a few large rounds take.
USUAL_S = 0.05
# What is more than that is waited for so many times: the next group comes while the last is still worked on.
_WEIGHT = 2
MOST_S = 0.05
# One answer serves the groups of so long: they come every few milliseconds, a queue grows more slowly.
ASK_EVERY_S = 0.02

# Where no worker is alive there is nobody to give way to.
_OLDEST_DUE = Statement(
    "SELECT due_at FROM payments WHERE due_at IS NOT NULL AND lease_until IS NULL AND EXISTS"
    " (SELECT 1 FROM workers WHERE queues LIKE :served AND beat_at > :alive_since)"
    " ORDER BY due_at LIMIT 1"
)


def pause_s(has_gathered: bool) -> float:
    """How long many requests should wait: for each other as any do (lookups.company_s), and while workers
    are behind twice as much longer as they are, up to 50 ms."""
    behind_s = _wait.behind_s()
    if behind_s is None:
        return 0.0  # the request hears of it from what it came for
    return min(company_s(has_gathered) + _WEIGHT * max(0.0, behind_s - USUAL_S), MOST_S)


class _Wait:
    """How long the oldest due payment has been waiting, as far as this process knows."""

    def __init__(self) -> None:
        self._behind_s: float | None = None
        self._asked_at_s = -math.inf

    def behind_s(self) -> float | None:
        """None where the database is away."""
        if time.monotonic() - self._asked_at_s >= ASK_EVERY_S:
            self._asked_at_s = time.monotonic()
            self._behind_s = self._ask()
        return self._behind_s

    def _ask(self) -> float | None:
        now = clock.now()
        try:
            found = ask(_OLDEST_DUE, served="%payments%", alive_since=now - timedelta(seconds=STALE_AFTER_S))
        except Unavailable:
            return None
        return (now - moment(found[0][0])).total_seconds() if found else 0.0


_wait = _Wait()
