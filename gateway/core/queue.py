"""Three Huey queues, used as doorbells.

The work itself is rows (see DESIGN: "the row is the queue"). A bell says only
"look again": it may be coalesced, lost or doubled, and none of it matters,
because the worker's sweeper looks every second anyway. So ringing never waits
and never fails a request: a thread of its own knocks, at most once in a few
milliseconds a queue, and rests for a while when Redis does not answer.
"""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from huey import Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.core.config import Config

log = logging.getLogger(__name__)

QUEUES = ("payments", "refunds", "webhooks")

# Between two knocks at Redis: longer and longer while somebody rings all the time, because a worker that
# finds something looks again by itself; and where the worker is in this process and has heard it already.
_COALESCE_S = 0.01
_COALESCE_MOST_S = 0.04
_COALESCE_AT_HOME_S = 0.1
_REST_S = 2.0
# A bell carries nothing, so a few unanswered ones say as much as a million.
_ENOUGH_BELLS = 4
_PRODUCER_TIMEOUT_S = 0.1
# Longer than the blocking pop, else a popped bell is lost with its answer.
_CONSUMER_TIMEOUT_S = 10.0


class JsonSerializer(Serializer):
    """Tasks as JSON, so that nobody who reaches Redis can make us unpickle."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(*json.loads(data))


class Ringer(threading.Thread):
    """Knocks for the whole process: leading edge at once, the rest coalesced."""

    def __init__(self, config: Config) -> None:
        super().__init__(name="ringer", daemon=True)
        self._config = config
        self._bells: dict[str, tuple[Huey, Callable[[], Any]]] = {}
        self._wanted: set[str] = set()
        self._unheard: dict[str, int] = {}
        self._wake = threading.Event()
        self._end = threading.Event()

    def ring(self, name: str) -> None:
        self._wanted.add(name)
        self._wake.set()

    def end(self) -> None:
        self._end.set()
        self._wake.set()

    def run(self) -> None:
        rest_s = _COALESCE_S
        while not self._end.is_set():
            self._wake.wait()
            self._wake.clear()
            for name in [name for name in QUEUES if name in self._wanted]:
                self._wanted.discard(name)
                self._knock(name)
            self._end.wait(_COALESCE_AT_HOME_S if _at_home else rest_s)
            rest_s = min(2 * rest_s, _COALESCE_MOST_S) if self._wake.is_set() else _COALESCE_S

    def _knock(self, name: str) -> None:
        try:
            huey, bell = self._bell(name)
            if self._unheard.get(name, 0) >= _ENOUGH_BELLS:
                self._unheard[name] = huey.pending_count()
            if self._unheard.get(name, 0) < _ENOUGH_BELLS:
                bell()
                # Those that were heard in the meantime come off when it seems to be enough.
                self._unheard[name] = self._unheard.get(name, 0) + 1
        except Exception as error:  # any queue trouble: the sweeper finds the row
            log.warning("queue %s cannot be rung: %s", name, type(error).__name__)
            self._end.wait(_REST_S)

    def _bell(self, name: str) -> tuple[Huey, Callable[[], Any]]:
        if name not in self._bells:
            huey = open_queue(self._config, name, _PRODUCER_TIMEOUT_S)
            self._bells[name] = (huey, _register_bell(huey, _nothing))
        return self._bells[name]


class _Irrevocable:
    """Huey asks twice before each task whether somebody took it back, and clears the mark behind it; that
    is three questions to Redis for one bell. Nobody takes a bell back, and it leaves no result either."""

    def is_revoked(self, _task: Any, _timestamp: Any = None, _peek: bool = True) -> bool:
        return False

    def delete(self, _key: str) -> bool:
        return False


class _RedisBells(_Irrevocable, RedisHuey):
    pass


class _SqliteBells(_Irrevocable, SqliteHuey):
    pass


_config: Config | None = None
_at_home: dict[str, Callable[[], None]] = {}
_ringer: Ringer | None = None
_ringer_lock = threading.Lock()


def connect(config: Config) -> None:
    """Say which queues this process rings. Nothing is opened before the first ring."""
    global _config
    disconnect()
    _config = config


def disconnect() -> None:
    """Ring nobody from now on."""
    global _config, _ringer
    _config = None
    _at_home.clear()
    if _ringer is not None:
        _ringer.end()
    _ringer = None


def ring(name: str) -> None:
    """Knock at a queue's door; returns at once and never raises for a dead queue."""
    global _ringer
    if name in _at_home:
        _at_home[name]()
    if _config is None:
        return
    if _ringer is None:
        with _ringer_lock:
            if _ringer is None:
                ringer = Ringer(_config)
                ringer.start()
                _ringer = ringer
    _ringer.ring(name)


def answer_at_home(name: str, answer: Callable[[], None]) -> None:
    """Call `answer` for each ring within this process, too: a worker need not go to Redis to hear itself."""
    _at_home[name] = answer


def consumer(config: Config, name: str, answer: Callable[[], None]) -> Consumer:
    """A Huey consumer with one thread that calls `answer` for each bell of this queue."""
    huey = open_queue(config, name, _CONSUMER_TIMEOUT_S)
    _register_bell(huey, answer)
    # Redis blocks in its pop and waits only after errors; SQLite has to be polled.
    max_delay = 5.0 if config.redis_url else 0.1
    return huey.create_consumer(
        workers=1, periodic=False, initial_delay=0.02, max_delay=max_delay, check_worker_health=True
    )


def probe(config: Config) -> str:
    """`connected`, `disconnected`, or `embedded` where there is no Redis to reach."""
    if config.redis_url is None:
        return "embedded"
    try:
        with Redis.from_url(config.redis_url, **_client_options(0.5)) as client:
            client.ping()
    except Exception:  # whatever keeps Redis from answering, the word is the same
        return "disconnected"
    return "connected"


def open_queue(config: Config, name: str, timeout_s: float) -> Huey:
    common: dict[str, Any] = {"name": f"gateway.{name}", "results": False, "serializer": JsonSerializer()}
    if config.redis_url is None:
        config.var_dir.mkdir(parents=True, exist_ok=True)
        return _SqliteBells(filename=str(config.var_dir / "queue.db"), fsync=False, **common)
    pool = ConnectionPool.from_url(config.redis_url, **_client_options(timeout_s))
    return _RedisBells(connection_pool=pool, **common)


def _client_options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, 1.0),
        "retry": Retry(NoBackoff(), 0),
    }


def _register_bell(huey: Huey, answer: Callable[[], None]) -> Callable[[], Any]:
    def bell() -> None:
        answer()

    task: Callable[[], Any] = huey.task(name="bell")(bell)
    return task


def _nothing() -> None:
    """What a bell does where it is only rung."""
