"""What several threads want at one moment is done at once, and each hears of its own part only."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from gateway.core.together import MOST, Together


class Shared(Exception):
    """A failure that is everybody's."""


class Desk:
    """Does parts one group at a time; the first group waits until the test lets it go."""

    def __init__(
        self,
        refuse: Callable[[int], bool] = lambda _: False,
        shared: bool = False,
        company_s: float = 0.0,
        pause_s: float = 0.0,
    ) -> None:
        self.groups: list[list[int]] = []
        self.gate = threading.Event()
        self._refuse = refuse
        self._shared = shared
        self._under_way = threading.Lock()
        self.together: Together[int, int] = Together(
            self.do,
            lambda part: self.do([part])[0],
            lambda error, had_company: had_company and not isinstance(error, Shared),
            lambda has_gathered: pause_s if has_gathered else company_s,
        )

    def do(self, parts: Sequence[int]) -> list[int]:
        self.groups.append(list(parts))
        if len(self.groups) == 1:
            assert self.gate.wait(10)
        if any(self._refuse(part) for part in parts):
            raise Shared if self._shared else ValueError(list(parts))
        return [part * 10 for part in parts]

    def serve(self, parts: Sequence[int]) -> dict[int, object]:
        """What each part came to; the first leads, the others come while it is busy."""
        outcomes: dict[int, object] = {}

        def join(part: int) -> None:
            try:
                outcomes[part] = self.together.join(part)
            except Exception as error:
                outcomes[part] = error

        threads = [threading.Thread(target=join, args=(part,)) for part in parts]
        threads[0].start()
        wait_until(lambda: bool(self.groups))
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: len(self.together._waiting) == len(parts) - 1)
        self.gate.set()
        for thread in threads:
            thread.join(10)
        return outcomes


def wait_until(look: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def test_whoever_comes_first_does_not_wait_for_company() -> None:
    desk = Desk()
    desk.gate.set()
    assert desk.together.join(1) == 10
    assert desk.groups == [[1]]


def test_those_who_come_meanwhile_are_served_together() -> None:
    desk = Desk()
    assert desk.serve([1, 2, 3, 4]) == {1: 10, 2: 20, 3: 30, 4: 40}
    assert [sorted(group) for group in desk.groups] == [[1], [2, 3, 4]]


def test_where_there_was_company_the_next_group_waits_for_some() -> None:
    desk = Desk(company_s=1.0)
    desk.serve([1, 2, 3])
    late = threading.Thread(target=lambda: desk.together.join(4))
    late.start()
    wait_until(lambda: bool(desk.together._waiting))
    assert desk.together.join(5) == 50
    late.join(10)
    assert desk.groups[-1] == [4, 5]
    assert desk.together.join(6) == 60
    began = time.monotonic()
    assert desk.together.join(7) == 70
    assert time.monotonic() - began < 1, "nobody had come"


def test_a_group_that_has_gathered_behind_another_waits_only_where_it_is_told_to() -> None:
    desk = Desk(company_s=60.0)
    desk.gate.set()
    assert desk.serve([1]) == {1: 10}, "whoever comes first waits for nobody"
    desk = Desk(pause_s=0.5)
    began = time.monotonic()
    assert desk.serve([1, 2, 3]) == {1: 10, 2: 20, 3: 30}
    assert time.monotonic() - began >= 0.5
    assert desk.groups == [[1], [2, 3]]


def test_a_group_has_its_bounds() -> None:
    desk = Desk()
    parts = list(range(MOST + 6))
    assert desk.serve(parts) == {part: part * 10 for part in parts}
    assert [len(group) for group in desk.groups] == [1, MOST, 5]


def test_a_refusal_is_heard_by_the_one_it_belongs_to() -> None:
    desk = Desk(refuse=lambda part: part == 3)
    outcomes = desk.serve([1, 2, 3, 4])
    assert {part: outcome for part, outcome in outcomes.items() if part != 3} == {1: 10, 2: 20, 4: 40}
    assert isinstance(outcomes[3], ValueError)
    assert outcomes[3].args == ([3],)


def test_one_refused_alone_is_not_tried_again() -> None:
    desk = Desk(refuse=lambda _: True)
    desk.gate.set()
    with pytest.raises(ValueError):
        desk.together.join(1)
    assert desk.groups == [[1]]


def test_what_fails_for_everybody_is_not_tried_one_by_one() -> None:
    desk = Desk(refuse=lambda part: part > 1, shared=True)
    outcomes = desk.serve([1, 2, 3])
    assert outcomes[1] == 10
    assert isinstance(outcomes[2], Shared) and isinstance(outcomes[3], Shared)
    assert len(desk.groups) == 2


def test_after_a_failure_others_are_served_as_before() -> None:
    desk = Desk(refuse=lambda part: part == 1)
    outcomes = desk.serve([1, 2, 3])
    assert isinstance(outcomes[1], ValueError)
    assert (outcomes[2], outcomes[3]) == (20, 30)
    assert desk.together.join(4) == 40


def test_who_was_stopped_while_leading_leaves_the_lead_to_others() -> None:
    groups: list[list[int]] = []

    def do(parts: list[int]) -> list[int]:
        groups.append(parts)
        if len(groups) == 1:
            raise KeyboardInterrupt
        return parts

    together: Together[int, int] = Together(do, lambda part: part, lambda _error, _had_company: False)
    with pytest.raises(KeyboardInterrupt):
        together.join(1)
    assert together.join(2) == 2
