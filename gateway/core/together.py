"""What several threads want at the same moment, done for all of them at once.

A commit costs one wait for the disk and a look-up one message, however much
they carry. So the first thread to come does its part at once; those that come
while it is under way gather behind it, and the first of them then does all
their parts together. Alone nobody is slower.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

MOST = 64


class Together(Generic[Part, Result]):
    """do(parts)     does all parts or none and returns a result for each. It must not
                  wait long for anything, because others wait behind it
    alone(part)   does one part whose group failed, so that everybody hears of
                  their own, and takes the time it needs
    is_worth(error, had_company)  whether that makes sense after this failure
    company_s(has_gathered)  how long a group waits before it is done; asked only while there are
                  others about. `has_gathered` says that it has some already, having formed
                  behind another; else only the group before had
    """

    def __init__(
        self,
        do: Callable[[list[Part]], Sequence[Result]],
        alone: Callable[[Part], Result],
        is_worth: Callable[[BaseException, bool], bool],
        company_s: Callable[[bool], float] = lambda _has_gathered: 0.0,
    ) -> None:
        self._do = do
        self._alone = alone
        self._is_worth = is_worth
        self._company_s = company_s
        self._has_company = False
        self._lock = threading.Lock()
        self._waiting: list[_Entry[Part, Result]] = []
        self._is_led = False

    def join(self, part: Part) -> Result:
        """The result of this part, done with whatever else was waiting."""
        entry: _Entry[Part, Result] = _Entry(part)
        with self._lock:
            self._waiting.append(entry)
            leads, self._is_led = not self._is_led, True
        if not leads:
            entry.turn.acquire()
            if entry.next is not None:
                entry.next.turn.release()
        if not entry.is_over:
            self._wait_for_company(has_gathered=not leads)
            self._lead()
        if entry.error is None:
            return entry.results[0]
        if not self._is_worth(entry.error, entry.had_company):
            raise entry.error
        return self._alone(part)

    def _wait_for_company(self, has_gathered: bool) -> None:
        if (has_gathered or self._has_company) and (company_s := self._company_s(has_gathered)):
            time.sleep(company_s)

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            results = self._do([entry.part for entry in group])
            for entry, result in zip(group, results, strict=True):
                entry.results.append(result)
        except BaseException as error:
            for entry in group:
                entry.error, entry.had_company = error, len(group) > 1
        self._has_company = len(group) > 1
        for entry in group:
            entry.is_over = True
        with self._lock:
            self._is_led = bool(self._waiting)
            woken = group[1:] + self._waiting[:1]
        for entry, following in itertools.pairwise(woken):
            entry.next = following
        if woken:
            woken[0].turn.release()


class _Entry(Generic[Part, Result]):
    """One thread's part. `turn` opens when it is over, or when this thread is to lead.

    Then it opens the turn of `next`. Woken all at once, the threads would only stand in
    line for the interpreter, each of them twice asleep.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self.had_company = False
        self.is_over = False
        self.next: _Entry[Part, Result] | None = None
        self.turn = threading.Lock()
        self.turn.acquire()
