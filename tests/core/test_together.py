"""What several threads want at once is done at once; what is wrong with one of them is their own."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gateway.core.together import MOST, Together


class Shared(Exception):
    """Trouble that everybody has."""


class Desk:
    """Doubles numbers. The first group waits until the test lets it go, so that the others gather."""

    def __init__(self, refuse: Callable[[Sequence[int]], BaseException | None] = lambda _: None) -> None:
        self.groups: list[list[int]] = []
        self.is_busy, self.may_go = threading.Event(), threading.Event()
        self._refuse = refuse
        self.together = Together(self._do, lambda error: isinstance(error, Shared))

    def _do(self, parts: list[int]) -> list[int]:
        self.groups.append(parts)
        if not self.is_busy.is_set():
            self.is_busy.set()
            assert self.may_go.wait(10)
        problem = self._refuse(parts)
        if problem is not None:
            raise problem
        return [part * 2 for part in parts]

    def crowd(self, number: int) -> list[Future[int]]:
        """So many come while the first is being served; what each of them got."""
        with ThreadPoolExecutor(number + 1) as pool:
            first = pool.submit(self.together.join, 0)
            assert self.is_busy.wait(10)
            others = [pool.submit(self.together.join, part) for part in range(1, number + 1)]
            while len(self.together._waiting) < number:
                time.sleep(0.001)
            self.may_go.set()
        return [first, *others]


def test_those_who_come_meanwhile_are_served_together_each_with_their_own() -> None:
    desk = Desk()
    assert [got.result() for got in desk.crowd(5)] == [0, 2, 4, 6, 8, 10]
    assert [len(group) for group in desk.groups] == [1, 5]


def test_a_group_has_a_greatest_size_and_nobody_is_left_behind() -> None:
    desk = Desk()
    assert len({got.result() for got in desk.crowd(MOST + 3)}) == MOST + 4
    assert [len(group) for group in desk.groups] == [1, MOST, 3]


def test_one_who_is_refused_spoils_it_for_nobody_else() -> None:
    desk = Desk(lambda parts: KeyError("three") if 3 in parts else None)
    got = desk.crowd(5)
    assert [each.result() for each in got if each is not got[3]] == [0, 2, 4, 8, 10]
    with pytest.raises(KeyError):
        got[3].result()
    assert sorted(desk.groups[2:]) == [[1], [2], [3], [4], [5]]


def test_trouble_that_everybody_has_is_told_to_all_of_the_group_and_nothing_is_tried_again() -> None:
    desk = Desk(lambda parts: Shared() if len(parts) > 1 else None)
    first, *others = desk.crowd(4)
    assert first.result() == 0
    assert all(isinstance(each.exception(), Shared) for each in others)
    assert len(desk.groups) == 2


@pytest.mark.parametrize(
    "problem", [KeyError(), Shared(), KeyboardInterrupt()], ids=["own", "shared", "stop"]
)
def test_after_any_trouble_the_next_one_is_served(problem: BaseException) -> None:
    desk = Desk(lambda parts: problem if parts == [0] else None)
    first, other = desk.crowd(1)
    assert first.exception() is problem
    assert other.result() == 2
    assert desk.together.join(7) == 14
