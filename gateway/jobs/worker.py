"""The worker process: a runner, a bell for each of its queues, a heartbeat, a sweep.

SIGTERM and SIGINT let the calls under way finish and be recorded. A kill loses
nothing: leases run out and another worker, or this one restarted, goes on.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from huey.consumer import Consumer

from gateway.core import queue
from gateway.core.config import Config
from gateway.core.db import transaction
from gateway.core.errors import Unavailable
from gateway.domain import idempotency, workers
from gateway.jobs import payments, refunds, webhooks
from gateway.jobs.desk import Job
from gateway.jobs.runner import Runner

log = logging.getLogger(__name__)

_PURGE_EVERY_BEATS = 300


class Worker:
    """Serves some of the three queues until it is told to stop."""

    def __init__(self, config: Config, queues: Iterable[str] = queue.QUEUES) -> None:
        self.id = workers.new_id()
        self.queues = ",".join(queues)
        self._config = config
        self._stop = threading.Event()
        self.runner = Runner([_job(name) for name in queues])
        self._bells = {name: partial(self.runner.ring, name) for name in queues}
        self._consumers = [queue.consumer(config, name, bell) for name, bell in self._bells.items()]

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then finish what is under way."""
        for name, bell in self._bells.items():
            queue.answer_at_home(name, bell)
        self.runner.start()
        for consumer in self._consumers:
            consumer.start()
        # Huey's consumers put their own handlers in; for them TERM means interrupt. Ours come last.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        self._live()
        self.runner.stop()
        for consumer in self._consumers:
            _silence(consumer)
        self.runner.join()
        self._say_goodbye()

    def _live(self) -> None:
        beats = 0
        while not self._stop.is_set():
            try:
                with transaction():
                    workers.beat(self.id, self.queues)
                    if beats % _PURGE_EVERY_BEATS == 0:
                        idempotency.purge()
            except Unavailable:
                pass  # already logged; a heart that cannot be heard counts as stopped, which is true
            for consumer in self._consumers:
                consumer.check_worker_health()
            beats += 1
            self._stop.wait(workers.BEAT_EVERY_S)

    def _say_goodbye(self) -> None:
        try:
            with transaction():
                workers.leave(self.id)
        except Unavailable:
            pass  # the heartbeat grows old by itself


def _job(name: str) -> Job[Any, Any]:
    jobs: dict[str, Callable[[], Job[Any, Any]]] = {
        "payments": payments.job,
        "refunds": refunds.job,
        "webhooks": webhooks.job,
    }
    return jobs[name]()


def _silence(consumer: Consumer) -> None:
    consumer.stop_flag.set()
