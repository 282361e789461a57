"""A runner: claims what it has room for, goes outside, records, and stops gently."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.core import clock
from gateway.core.db import ring, transaction
from gateway.core.errors import Busy, Unavailable
from gateway.jobs.desk import LOOK_EVERY_S, Job
from gateway.jobs.runner import Runner


class Desk:
    """A queue in memory: names wait, are called, and end up written down."""

    def __init__(self, *waiting: str) -> None:
        self.waiting = list(waiting)
        self.written: list[str] = []
        self.batches: list[list[str]] = []
        self.asked_for: list[int] = []
        self.due_at: datetime | None = None
        self.call: Callable[[str], str] = lambda name: f"{name} done"
        self.refuse: Callable[[list[str]], None] = lambda names: None

    def claim(self, free: int, _under_way: Sequence[str]) -> list[str]:
        self.asked_for.append(free)
        taken, self.waiting = self.waiting[:free], self.waiting[free:]
        return taken

    def record(self, results: Sequence[tuple[str, str]]) -> None:
        names = [name for name, _ in results]
        self.refuse(names)
        self.batches.append(names)
        self.written += [answer for _, answer in results]

    def runner(self, slots: int = 3) -> Runner:
        return Runner([self.job("payments", slots)])

    def job(self, queue: str, slots: int = 3) -> Job[str, str]:
        return Job(queue, slots, self.claim, lambda name: self.call(name), self.record, lambda: self.due_at)


@pytest.fixture
def running(config) -> Iterator[Callable[[Runner], Runner]]:
    """Starts runners, and stops them at the end."""
    started: list[Runner] = []

    def start(runner: Runner) -> Runner:
        started.append(runner)
        runner.start()
        return runner

    yield start
    for runner in started:
        runner.stop()
        runner.join(5)
        assert not runner.is_alive()


def eventually(is_so: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def test_it_works_through_what_waits(running) -> None:
    desk = Desk(*(f"n{number}" for number in range(20)))
    running(desk.runner())
    eventually(lambda: len(desk.written) == 20)
    assert sorted(desk.written) == sorted(f"n{number} done" for number in range(20))


def test_it_never_holds_more_than_it_has_hands(running) -> None:
    desk, gate = Desk(*"abcdefgh"), threading.Event()
    desk.call = lambda name: str(gate.wait(5))
    runner = running(desk.runner(slots=3))
    eventually(lambda: desk.asked_for.count(3) == 1 and len(desk.waiting) == 5)
    runner.ring("payments")
    time.sleep(0.05)
    assert len(desk.waiting) == 5
    gate.set()
    eventually(lambda: len(desk.written) == 8)
    assert max(desk.asked_for) == 3


def test_a_bell_wakes_it_at_once(running) -> None:
    desk = Desk()
    runner = running(desk.runner())
    eventually(lambda: len(desk.asked_for) == 1)
    desk.waiting.append("late")
    runner.ring("payments")
    eventually(lambda: desk.written == ["late done"], within_s=LOOK_EVERY_S / 2)


def test_without_a_bell_it_looks_every_second_or_when_the_next_is_due(config) -> None:
    desk = Desk()
    runner = desk.runner()

    def look() -> float:
        runner.ring("payments")
        return runner.step()

    assert look() == pytest.approx(LOOK_EVERY_S, abs=0.05)
    desk.due_at = clock.now() + timedelta(milliseconds=300)
    assert 0.2 < look() <= 0.3
    desk.due_at = clock.now() + timedelta(hours=1)
    assert look() == pytest.approx(LOOK_EVERY_S, abs=0.05)
    desk.due_at = clock.now() - timedelta(hours=1)  # due, and held by somebody else
    assert look() == pytest.approx(LOOK_EVERY_S, abs=0.05)
    asked = len(desk.asked_for)
    assert runner.step() > 0.9
    assert len(desk.asked_for) == asked


def test_where_it_has_to_look_again_it_does_not_ask_when(config) -> None:
    desk, asked = Desk(), list[str]()
    rings = [True, False]

    def claim(free: int, under_way: Sequence[str]) -> list[str]:
        if rings.pop(0):
            runner.ring("payments")
        return desk.claim(free, under_way)

    def next_due() -> None:
        asked.append("when?")

    runner = Runner([replace(desk.job("payments"), claim=claim, next_due=next_due)])
    assert (runner.step(), asked) == (0.0, [])
    assert runner.step() == pytest.approx(LOOK_EVERY_S, abs=0.05)
    assert asked == ["when?"]


def test_a_row_that_falls_due_while_it_looks_does_not_wait_a_second(config) -> None:
    desk = Desk()
    claim = desk.claim

    def slow_claim(free: int, under_way: Sequence[str]) -> list[str]:
        desk.due_at = clock.now()
        return claim(free, under_way)

    desk.claim = slow_claim  # type: ignore[method-assign]
    assert desk.runner().step() == 0.0


def break_at_bad(name: str) -> str:
    if name == "bad":
        raise ValueError("broken")
    return name


def test_a_call_that_breaks_costs_only_itself(running, caplog) -> None:
    desk = Desk("good", "bad", "fine")

    desk.call = break_at_bad
    runner = running(desk.runner())
    eventually(lambda: sorted(desk.written) == ["fine", "good"])
    eventually(lambda: not runner.desks["payments"]._under_way)
    assert "a call failed" in caplog.text


def test_a_batch_that_cannot_be_written_is_written_one_by_one(running) -> None:
    desk = Desk(*"abcdef")

    def refuse(names: list[str]) -> None:
        if "c" in names:
            raise ValueError("c is odd")

    desk.refuse = refuse
    running(desk.runner(slots=6))
    eventually(lambda: len(desk.written) == 5)
    assert "c done" not in desk.written


def test_results_are_kept_while_the_database_is_away(running) -> None:
    desk, away = Desk("a", "b"), [True]

    def refuse(_names: list[str]) -> None:
        if away[0]:
            raise Unavailable("away")

    desk.refuse = refuse
    runner = running(desk.runner())
    eventually(lambda: len(runner.desks["payments"]._finished) == 2)
    assert desk.written == []
    away[0] = False
    runner.ring("payments")
    eventually(lambda: sorted(desk.written) == ["a done", "b done"])


def test_stopping_finishes_what_is_under_way_and_takes_nothing_new(config) -> None:
    desk, gate = Desk("a", "b", "c"), threading.Event()
    desk.call = lambda name: f"{name} {gate.wait(5)}"
    runner = desk.runner(slots=2)
    runner.start()
    eventually(lambda: len(runner.desks["payments"]._under_way) == 2)
    runner.stop()
    time.sleep(0.05)
    assert runner.is_alive()
    gate.set()
    runner.join(5)
    assert not runner.is_alive()
    assert sorted(desk.written) == ["a True", "b True"]
    assert desk.waiting == ["c"]


def test_stopping_does_not_wait_for_a_database_that_is_away(config) -> None:
    desk = Desk("a")

    def refuse(_names: list[str]) -> None:
        raise Unavailable("away")

    desk.refuse = refuse
    runner = desk.runner()
    runner.start()
    eventually(lambda: len(runner.desks["payments"]._finished) == 1)
    runner.stop()
    runner.join(5)
    assert not runner.is_alive()


def test_queues_are_worked_through_in_one_transaction(config, monkeypatch) -> None:
    one, other = Desk("a"), Desk("b")
    runner = Runner([one.job("payments"), other.job("webhooks")])
    opened: list[str] = []

    @contextmanager
    def counted(**how: bool) -> Iterator[None]:
        opened.append("transaction")
        with transaction(**how):
            yield

    monkeypatch.setattr("gateway.jobs.runner.transaction", counted)
    runner.step()
    eventually(lambda: all(desk._finished for desk in runner.desks.values()))
    runner.step()
    assert (one.written, other.written) == (["a done"], ["b done"])
    assert len(opened) == 2


@pytest.mark.parametrize("trouble", [ValueError("odd"), Busy("somebody holds the row")])
def test_a_queue_in_trouble_does_not_stop_the_others(running, trouble: Exception) -> None:
    bad, good = Desk("x"), Desk("a", "b", "c", "d")

    def refuse(_names: list[str]) -> None:
        raise trouble

    bad.refuse = refuse
    running(Runner([bad.job("payments"), good.job("webhooks", slots=2)]))
    eventually(lambda: len(good.written) == 4)
    assert bad.written == []


def test_a_queue_that_cannot_be_claimed_from_does_not_stop_the_others(running) -> None:
    bad, good = Desk("x"), Desk("a", "b", "c", "d")

    def claim(_free: int, _under_way: Sequence[str]) -> list[str]:
        raise ValueError("odd")

    bad.claim = claim  # type: ignore[method-assign]
    running(Runner([bad.job("payments"), good.job("webhooks", slots=2)]))
    eventually(lambda: len(good.written) == 4)


def test_calls_that_end_together_are_written_down_together(running) -> None:
    desk, gate = Desk(*"abcdef"), threading.Event()
    desk.call = lambda name: f"{name} {gate.wait(5)}"
    runner = running(desk.runner(slots=6))
    eventually(lambda: len(runner.desks["payments"]._under_way) == 6)
    gate.set()
    eventually(lambda: len(desk.written) == 6)
    assert len(desk.batches) < 6


def test_who_is_held_up_rests_before_the_next_try(config) -> None:
    desk, tries = Desk("x"), []

    def refuse(_names: list[str]) -> None:
        tries.append(time.monotonic())
        raise Busy("somebody holds the row")

    desk.refuse = refuse
    runner = desk.runner()
    runner.step()
    eventually(lambda: bool(runner.desks["payments"]._finished))
    runner.step()
    assert len(tries) == 2, "once with the others, once alone"
    assert runner.step() > 0.5
    runner.ring("payments")
    assert runner.step() > 0.5
    assert len(tries) == 2


def quick(desk: Desk, slots: int = 3) -> Job[str, str]:
    return replace(desk.job("payments", slots), hold=lambda free: desk.claim(free, []))


def hand_on(desk: Desk) -> Callable[[list[str]], None]:
    """What is recorded gives this desk something to do, in the same transaction."""

    def refuse(names: list[str]) -> None:
        desk.waiting += [f"tell {name}" for name in names]
        ring("webhooks")

    return refuse


def test_what_is_quick_is_claimed_done_and_handed_on_in_one_round(config) -> None:
    bank, shop = Desk("paid"), Desk()
    bank.refuse = hand_on(shop)
    runner = Runner([quick(bank), shop.job("webhooks")])
    runner.step()
    assert bank.written == ["paid done"]
    eventually(lambda: bool(runner.desks["webhooks"]._finished))
    runner.step()
    assert shop.written == ["tell paid done"]


@pytest.mark.parametrize("is_refused_once", [False, True])
def test_what_ends_while_others_are_quick_is_written_down_and_not_lost(config, is_refused_once: bool) -> None:
    bank, shop, gate = Desk(), Desk("slow"), threading.Event()
    shop.call = lambda name: f"{name} {gate.wait(5)}"
    runner = Runner([quick(bank), shop.job("webhooks")])
    runner.step()
    webhooks = runner.desks["webhooks"]

    def end_the_slow_one(names: list[str]) -> None:
        gate.set()
        eventually(lambda: bool(webhooks._finished))
        hand_on(shop)(names)

    refusals = [ValueError("odd")] * is_refused_once

    def refuse(_names: list[str]) -> None:
        if refusals:
            raise refusals.pop()

    bank.waiting, bank.refuse, shop.refuse = ["paid"], end_the_slow_one, refuse
    runner.ring("payments")
    runner.step()
    assert shop.written == ["slow True"]
    if is_refused_once:
        return
    eventually(lambda: len(webhooks._finished) == 1)
    runner.step()
    assert shop.written == ["slow True", "tell paid True"]


def test_before_its_time_a_queue_looks_only_for_what_the_round_has_made(config) -> None:
    bank, shop, looks = Desk(), Desk(), list[str]()

    def look(what: str) -> Callable[[int, Sequence[str]], list[str]]:
        def claim(free: int, under_way: Sequence[str]) -> list[str]:
            looks.append(what)
            return shop.claim(free, under_way)

        return claim

    bank.refuse = hand_on(shop)
    webhooks = replace(shop.job("webhooks"), claim=look("all"), claim_new=look("new"))
    runner = Runner([quick(bank), webhooks])
    runner.step()
    bank.waiting = ["first"]
    runner.ring("payments")
    runner.step()
    assert looks == ["all", "new"]
    bank.waiting = ["second"]
    runner.ring("payments")
    runner.ring("webhooks")
    runner.step()
    assert looks == ["all", "new", "all"]


def test_what_is_quick_and_never_ends_does_not_keep_others_waiting(config) -> None:
    bank, shop = Desk(*(f"n{number}" for number in range(40))), Desk("told")
    runner = Runner([quick(bank, slots=4), shop.job("webhooks")])
    runner.step()
    runner.step()
    assert len(bank.waiting) == 32
    assert shop.waiting == []


def test_what_is_quick_and_breaks_costs_only_itself(config, caplog) -> None:
    desk = Desk("good", "bad", "fine")

    desk.call = break_at_bad
    runner = Runner([replace(quick(desk), hold=lambda free: desk.waiting[:free])])
    runner.step()
    assert desk.written == []
    runner.step()
    assert desk.written == ["good", "fine"]
    assert runner.desks["payments"].is_idle
    assert "a call failed" in caplog.text


def test_what_is_quick_and_cannot_be_written_is_written_one_by_one(config) -> None:
    desk = Desk(*"abc")

    def refuse(names: list[str]) -> None:
        if "b" in names:
            raise ValueError("b is odd")

    desk.refuse = refuse
    runner = Runner([replace(quick(desk), hold=lambda free: desk.waiting[:free])])
    runner.step()
    runner.step()
    assert desk.written == ["a done", "c done"]
    assert runner.desks["payments"].is_idle


def test_what_is_quick_and_can_be_neither_held_nor_claimed_is_not_asked_for_without_a_pause(config) -> None:
    desk = Desk(*"abc")

    def refuse(*_: object) -> list[str]:
        raise ValueError("odd")

    desk.refuse = refuse  # type: ignore[assignment]
    runner = Runner([replace(quick(desk), hold=lambda free: desk.waiting[:free], claim=refuse)])
    assert runner.step() > 0.9
