"""Workers that are alive, by a heartbeat in the database that all of us share."""

import os
import platform
from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from gateway.core import clock
from gateway.core.db import session
from gateway.models import Worker
from gateway.models.base import seconds_from_now

BEAT_EVERY_S = 2
STALE_AFTER_S = 7


def beat(worker_id: str, queues: str) -> None:
    """Say that this worker is alive, and forget those that died without saying so."""
    alive = session().scalar(
        update(Worker).where(Worker.id == worker_id).values(beat_at=seconds_from_now()).returning(Worker.id)
    )
    if alive is None:
        session().execute(
            insert(Worker).values(
                id=worker_id,
                queues=queues,
                host=platform.node()[:255],
                pid=os.getpid(),
                started_at=clock.now(),
                beat_at=seconds_from_now(),
            )
        )
    session().execute(delete(Worker).where(Worker.beat_at < seconds_from_now(-10 * STALE_AFTER_S)))


def leave(worker_id: str) -> None:
    """Say that this worker stops now, so that nobody waits for its heartbeat to grow old."""
    session().execute(delete(Worker).where(Worker.id == worker_id))


def alive() -> Sequence[Worker]:
    """The workers whose heart has beaten in the last seven seconds, the oldest first."""
    beating = select(Worker).where(Worker.beat_at > seconds_from_now(-STALE_AFTER_S))
    return session().scalars(beating.order_by(Worker.started_at, Worker.id)).all()


def is_running() -> bool:
    """Whether each queue has a worker whose heart has beaten in the last seven seconds."""
    served = {queue for worker in alive() for queue in worker.queues.split(",")}
    return served >= {"payments", "refunds", "webhooks"}


def new_id() -> str:
    return str(uuid4())
