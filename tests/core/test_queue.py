"""Doorbells: they may be lost, doubled or unheard, and ringing never costs anything."""

import json
import logging
import os
import pickle
import signal
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from huey import Huey
from huey.consumer import Consumer
from huey.registry import Message
from redis import Redis

from gateway.core import queue
from gateway.core.config import Config
from gateway.core.queue import JsonSerializer

REDIS = os.environ.get("GATEWAY_TEST_REDIS_URL")
FEW = 5


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A queue of this test's own: others may use the same Redis at the same time."""
    name = f"test{uuid.uuid4().hex}"
    monkeypatch.setattr(queue, "QUEUES", (name,))
    return name


@pytest.fixture(params=["embedded", "redis"])
def config(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Iterator[Config]:
    """A process that rings one kind of queue."""
    if request.param == "embedded":
        settings = Config(database_url="sqlite://", var_dir=tmp_path)
    elif REDIS is None:
        pytest.skip("no Redis was found")
    else:
        settings = Config(database_url="sqlite://", var_dir=tmp_path, redis_url=REDIS)
    queue.connect(settings)
    yield settings
    queue.disconnect()
    queue._config = None
    if settings.redis_url is not None:
        with Redis.from_url(settings.redis_url) as client:
            own = client.keys(f"huey.*gateway{name}*")
            if own:
                client.delete(*own)


@pytest.fixture
def inside(config: Config, name: str) -> Huey:
    """The queue as somebody sees it who looks into it."""
    return queue.open_queue(config, name, 1.0)


@pytest.fixture
def start(config: Config, name: str) -> Iterator[Callable[[Callable[[], None]], Consumer]]:
    """Start a consumer of the queue; it stops with the test, and pytest keeps its signal handlers."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    started: list[Consumer] = []

    def start(answer: Callable[[], None]) -> Consumer:
        consumer = queue.consumer(config, name, answer)
        consumer.start()
        started.append(consumer)
        return consumer

    yield start
    for consumer in started:
        consumer.stop_flag.set()
        queue.ring(name)  # ends its blocking pop
        for _, thread in consumer.worker_threads:
            thread.join(3)
    for number, handler in before.items():
        signal.signal(number, handler)


def until(is_true: Callable[[], bool], seconds: float = 3.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.005)
    return is_true()


# Bells as JSON


def test_a_task_is_kept_as_json_and_read_back(inside: Huey, config: Config, name: str) -> None:
    queue.ring(name)
    assert until(lambda: inside.pending_count() == 1)
    kept = inside.storage.enqueued_items()[0]
    assert json.loads(kept)[1].endswith(".bell")
    queue._register_bell(inside, lambda: None)
    assert inside.dequeue().name == "bell"
    assert inside.pending_count() == 0


def test_a_message_comes_back_as_it_was() -> None:
    message = Message("id", "bell", None, 0, 0, [], {"a": ["₹ 🎁", None, 1]}, None, None, None, None, None)
    message = Message(*message[: len(Message._fields)])
    read = JsonSerializer().deserialize(JsonSerializer().serialize(message))
    assert isinstance(read, Message)
    assert read == message


def test_what_is_no_json_is_never_kept() -> None:
    with pytest.raises(TypeError):
        JsonSerializer().serialize([datetime.now()])


class Intruder:
    """Unpickling this would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.trace),)


def test_a_pickle_is_refused_and_not_opened(tmp_path: Path) -> None:
    pickled = pickle.dumps(Intruder(tmp_path / "trace"))
    with pytest.raises(ValueError):
        JsonSerializer().deserialize(pickled)
    assert not (tmp_path / "trace").exists()


def test_garbage_in_the_queue_neither_runs_nor_stops_the_consumer(
    inside: Huey, name: str, start: Callable[[Callable[[], None]], Consumer], tmp_path: Path
) -> None:
    logging.getLogger("huey").setLevel(logging.CRITICAL)  # as the roof does
    for garbage in (pickle.dumps(Intruder(tmp_path / "trace")), b"", b"null", b"[1]", b"{}", b'["a","b"]'):
        inside.storage.enqueue(garbage)
    heard = threading.Event()
    start(heard.set)
    queue.ring(name)
    # More than _ENOUGH_BELLS lie there at first, so ring again once they are gone.
    assert until(lambda: queue.ring(name) is None and heard.wait(0.05), 8)
    assert not (tmp_path / "trace").exists()


# Ringing


def test_a_thousand_rings_leave_a_few_bells(config: Config, inside: Huey, name: str) -> None:
    for _ in range(1000):
        queue.ring(name)
    assert until(lambda: inside.pending_count() >= 1)
    time.sleep(0.05)
    assert 1 <= inside.pending_count() <= FEW


def test_bells_that_nobody_answers_stay_few(config: Config, inside: Huey, name: str) -> None:
    for _ in range(25):
        queue.ring(name)
        time.sleep(0.006)
    assert 1 <= inside.pending_count() <= FEW


def test_nothing_is_kept_of_a_bell_that_was_answered(
    config: Config, inside: Huey, name: str, start: Callable[[Callable[[], None]], Consumer]
) -> None:
    heard = threading.Event()
    start(heard.set)
    queue.ring(name)
    assert heard.wait(3)
    assert until(lambda: inside.pending_count() == 0)
    assert inside.result_count() == 0
    assert inside.scheduled_count() == 0


def test_a_ring_wakes_the_consumer(
    config: Config, name: str, start: Callable[[Callable[[], None]], Consumer]
) -> None:
    heard = threading.Event()
    start(heard.set)
    time.sleep(0.3)  # long enough to be in its blocking pop, or its slowest polling
    took = []
    for _ in range(3):
        heard.clear()
        began = time.monotonic()
        queue.ring(name)
        assert heard.wait(2), "nobody heard the bell"
        took.append(time.monotonic() - began)
        time.sleep(0.02)
    assert statistics.median(took) < 0.3


def test_an_embedded_consumer_is_never_asleep_for_long(tmp_path: Path, name: str) -> None:
    """SqliteHuey has to be polled, and its own default lets a bell wait for ten seconds."""
    consumer = queue.consumer(Config(database_url="sqlite://", var_dir=tmp_path), name, lambda: None)
    assert consumer.max_delay <= 0.25


def test_the_last_of_many_rings_is_heard_after_it_was_rung(
    config: Config, name: str, start: Callable[[Callable[[], None]], Consumer]
) -> None:
    """Coalesced, but never swallowed: whoever rings last is answered later than he rang."""
    answered_at: list[float] = []
    start(lambda: answered_at.append(time.monotonic()))
    for _ in range(60):
        queue.ring(name)
        time.sleep(0.001)
    last_at = time.monotonic()
    queue.ring(name)
    assert until(lambda: bool(answered_at) and answered_at[-1] >= last_at)


def test_an_answer_that_fails_does_not_stop_the_consumer(
    config: Config, name: str, start: Callable[[Callable[[], None]], Consumer]
) -> None:
    logging.getLogger("huey").setLevel(logging.CRITICAL)
    heard: list[int] = []

    def answer() -> None:
        heard.append(1)
        raise ZeroDivisionError

    start(answer)
    for wanted in (1, 2):
        queue.ring(name)
        assert until(lambda wanted=wanted: len(heard) >= wanted)


def test_rings_of_many_threads_start_one_ringer(config: Config, name: str, inside: Huey) -> None:
    before = ringers()
    threads = [threading.Thread(target=queue.ring, args=(name,)) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ringers() - before) == 1
    assert until(lambda: inside.pending_count() >= 1)


def ringers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, queue.Ringer)}


def test_the_ringer_ends_when_it_is_disconnected(config: Config, name: str) -> None:
    before = ringers()
    queue.ring(name)
    (ringer,) = ringers() - before
    queue.disconnect()
    ringer.join(2)
    assert not ringer.is_alive()


def test_ringing_in_a_process_without_queues_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_config", None)
    monkeypatch.setattr(queue, "_ringer", None)
    queue.ring("payments")
    assert queue._ringer is None


# A Redis that is away, or hangs


@pytest.fixture
def deaf_listener() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


@pytest.fixture(params=["closed", "hung", "wrong_password"])
def dead_redis(
    request: pytest.FixtureRequest, free_port: int, deaf_listener: int, tmp_path: Path, name: str
) -> Iterator[Config]:
    if request.param == "wrong_password":
        if REDIS is None:
            pytest.skip("no Redis was found")
        url = REDIS.replace("redis://", "redis://nobody:wrong@")
    else:
        url = f"redis://127.0.0.1:{free_port if request.param == 'closed' else deaf_listener}/0"
    settings = Config(database_url="sqlite://", var_dir=tmp_path, redis_url=url)
    queue.connect(settings)
    yield settings
    queue.disconnect()
    queue._config = None


def test_ringing_a_dead_redis_takes_no_time_and_raises_nothing(dead_redis: Config, name: str) -> None:
    first: list[float] = []
    for _ in range(5):
        queue.connect(dead_redis)
        began = time.perf_counter()
        queue.ring(name)
        first.append(time.perf_counter() - began)
    later: list[float] = []
    for _ in range(100):
        began = time.perf_counter()
        queue.ring(name)
        later.append(time.perf_counter() - began)
        time.sleep(0.001)
    # The median, because this machine has other things to do as well.
    assert statistics.median(first) < 0.05
    assert statistics.median(later) < 0.001
    assert max(later) < 0.1


def test_a_dead_redis_is_tried_rarely_and_said_in_one_line(
    dead_redis: Config, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "gateway"):
        for _ in range(150):
            queue.ring(name)
            time.sleep(0.001)
        assert until(lambda: len(caplog.records) >= 1, 1)
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith(f"queue {name} cannot be rung: ")
    assert caplog.records[0].exc_info is None


def test_a_redis_url_that_makes_no_sense_does_not_fail_who_rings(tmp_path: Path, name: str) -> None:
    """The payment is committed by then: an exception would answer 500 to a payment that was taken."""
    queue.connect(Config(database_url="sqlite://", var_dir=tmp_path, redis_url="localhost:6379"))
    try:
        queue.ring(name)
    finally:
        queue.disconnect()
        queue._config = None


# Probing


def test_the_probe_says_embedded_without_a_redis_to_reach() -> None:
    assert queue.probe(Config(redis_url=None)) == "embedded"


@pytest.mark.skipif(REDIS is None, reason="no Redis was found")
def test_the_probe_says_connected() -> None:
    assert queue.probe(Config(redis_url=REDIS)) == "connected"


def test_the_probe_says_disconnected_within_a_second(dead_redis: Config) -> None:
    began = time.monotonic()
    assert queue.probe(dead_redis) == "disconnected"
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("url", ["", "localhost", "http://127.0.0.1", "redis://127.0.0.1:999999/0"])
def test_the_probe_of_an_address_that_is_none_says_disconnected(url: str) -> None:
    assert queue.probe(Config(redis_url=url)) == "disconnected"
