"""Runs the processes of `up`: passes on what they say, starts again what dies, stops them gently."""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self, TextIO

ROOT = Path(__file__).resolve().parent.parent

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
# A child that lived this long was well: its next death starts at the first delay again.
WELL_AFTER_S = 60.0
STOP_TIMEOUT_S = 20.0
TICK_S = 0.1

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
PLAIN = ("{}",)
COLOURED = tuple(f"\033[{colour}m{{}}\033[0m" for colour in (36, 33, 35, 32))


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    environ: dict[str, str]


class Supervisor:
    """Keeps programs alive inside a `with` block and stops them at its end.

    SIGTERM, SIGINT and SIGHUP ask for the end; asked twice, it no longer waits for
    running work. Lives in the main thread: signals arrive there, and Linux takes
    the death of the thread that started a child for the death of its parent.
    """

    def __init__(self, programs: Sequence[Program], out: TextIO) -> None:
        width = max(len(program.name) for program in programs)
        frames = COLOURED if out.isatty() and not os.environ.get("NO_COLOR") else PLAIN
        self.children = [
            Child(program, out, frame.format(f"{program.name:<{width}} | "))
            for program, frame in zip(programs, cycle(frames), strict=False)
        ]
        self.stop_requests = 0

    @property
    def is_stopping(self) -> bool:
        return self.stop_requests > 0

    @property
    def is_anybody_running(self) -> bool:
        return any(child.is_running for child in self.children)

    @property
    def deaths(self) -> int:
        return sum(child.deaths for child in self.children)

    def __enter__(self) -> Self:
        self.former_handlers = {number: signal.signal(number, self.request_stop) for number in STOP_SIGNALS}
        return self

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    def tend_until(self, is_reached: Callable[[], bool], timeout_s: float = math.inf) -> bool:
        """Keep everything running until `is_reached`; False when stopped or out of time before."""
        ends_at = time.monotonic() + timeout_s
        while not self.is_stopping and time.monotonic() < ends_at:
            for child in self.children:
                child.tend(time.monotonic())
            if is_reached():
                return True
            time.sleep(TICK_S)
        return False

    def __exit__(self, *exception: object) -> None:
        for child in self.children:
            child.terminate()
        ends_at = time.monotonic() + STOP_TIMEOUT_S
        while self.stop_requests < 2 and time.monotonic() < ends_at and self.is_anybody_running:
            time.sleep(TICK_S)
        for child in self.children:
            child.bury()
        for number, handler in self.former_handlers.items():
            signal.signal(number, handler)


@dataclass
class Child:
    program: Program
    out: TextIO
    prefix: str
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    delay_s: float = FIRST_DELAY_S
    deaths: int = 0

    def tend(self, now: float) -> None:
        if self.is_running:
            return
        if self.process is not None:
            self.plan_restart(self.process.returncode, now)
            self.bury()
        if now >= self.start_at:
            self.start(now)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, now: float) -> None:
        stub = [sys.executable, "-m", "gateway.supervisor", str(os.getpid())]
        self.started_at = now
        # A session of its own: Ctrl-C reaches it through us alone, and its own children are found by it.
        self.process = subprocess.Popen(
            [*stub, *self.program.command],
            cwd=ROOT,
            env={**self.program.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.listener = threading.Thread(target=self.listen, args=(self.process,), daemon=True)
        self.listener.start()

    def listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.say(line.rstrip("\n"))

    def say(self, line: str) -> None:
        # When nobody reads any more (`up | head`), the child's pipe is still emptied, so it never blocks.
        with contextlib.suppress(OSError):
            self.out.write(f"{self.prefix}{line}\n")
            self.out.flush()

    def plan_restart(self, exit_code: int, now: float) -> None:
        self.deaths += 1
        if now - self.started_at >= WELL_AFTER_S:
            self.delay_s = FIRST_DELAY_S
        how = f"exit code {exit_code}" if exit_code >= 0 else signal.strsignal(-exit_code)
        self.say(f"stopped ({how}); starting again in {self.delay_s:g} s")
        self.start_at = now + self.delay_s
        self.delay_s = min(self.delay_s * 2, LONGEST_DELAY_S)

    def terminate(self) -> None:
        if self.process is not None and self.is_running:
            self.process.terminate()

    def bury(self) -> None:
        """Kill what is left of the child and of those it started, and hear its last words."""
        if self.process is None:
            return
        # A web server killed from outside leaves workers behind that go on sharing its port.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.listener.join(timeout=1)
        self.process = None


def become(parent: int, command: list[str]) -> NoReturn:
    """Tie this process to its parent's life, then turn into the command.

    A supervisor killed with SIGKILL stops nobody, so Linux sends SIGTERM for it.
    Other systems know no such call; there the children would stay behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the supervisor went before its child began")
    os.execvp(command[0], command)


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
