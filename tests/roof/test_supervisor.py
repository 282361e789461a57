"""Real processes under a real supervisor, which runs in a process of its own."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from gateway.supervisor import LONGEST_DELAY_S, WELL_AFTER_S, Child, Program

ROOT = Path(__file__).resolve().parents[2]

DRIVER = """
import json, os, sys
from gateway import supervisor
supervisor.STOP_TIMEOUT_S = float(sys.argv[2])
programs = [
    supervisor.Program(name, [sys.executable, "-c", code], dict(os.environ))
    for name, code in json.loads(sys.argv[1]).items()
]
with supervisor.Supervisor(programs, sys.stdout) as running:
    running.tend_until(lambda: False)
"""

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);" + SLEEP


class Run:
    """A supervisor with these programs, and what it has said so far."""

    def __init__(self, programs: dict[str, str], stop_timeout_s: float = 20, stdout: int = subprocess.PIPE):
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(programs), str(stop_timeout_s)],
            cwd=ROOT,
            # That lines come at once is for the supervisor to see to.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=stdout,
            text=True,
        )

    def read_until(self, words: str) -> str:
        assert self.process.stdout is not None
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        said = ""
        for line in self.process.stdout:
            said += line
            if words in line:
                watchdog.cancel()
                return said
        raise AssertionError(f"{words!r} was never said, but: {said}")

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    runs: list[Run] = []

    def begin(*args: object, **kwargs: object) -> Run:
        runs.append(Run(*args, **kwargs))  # type: ignore[arg-type]
        return runs[-1]

    yield begin
    for run in runs:
        run.process.terminate()
        run.process.communicate(timeout=30)


def is_alive(pid: int) -> bool:
    """False for a zombie too: one whose new parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(is_reached: Callable[[], bool], timeout_s: float = 30) -> None:
    ends_at = time.monotonic() + timeout_s
    while not is_reached():
        assert time.monotonic() < ends_at, "it never came"
        time.sleep(0.02)


def pid_said(said: str) -> int:
    return int(said.split()[-1])


def test_each_line_is_passed_on_under_its_childs_name(start: Start) -> None:
    run = start({"web": "print('one'); print('two');" + SLEEP, "worker": SLEEP})
    assert run.read_until("two") == "web    | one\nweb    | two\n"


def test_lines_that_are_no_utf8_are_passed_on_too(start: Start) -> None:
    run = start({"web": r"import os; os.write(1, b'\xff\xfe\n'); print('after');" + SLEEP})
    assert "web | " in run.read_until("after")


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_only_a_terminal_gets_colour(
    start: Start, monkeypatch: pytest.MonkeyPatch, no_color: str, is_coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    ours, theirs = pty.openpty()
    start({"web": "print('one');" + SLEEP}, stdout=theirs)
    said = os.read(ours, 1000).decode()
    assert "one" in said
    assert ("\033[" in said) == is_coloured


def test_what_dies_is_started_again_ever_more_slowly(start: Start) -> None:
    began = time.monotonic()
    said = start({"web": "print('hello'); raise SystemExit(3)"}).read_until("in 2 s")
    assert time.monotonic() - began > 0.5 + 1
    assert said.count("hello") == 3
    reports = [line for line in said.splitlines() if "stopped" in line]
    assert reports == [f"web | stopped (exit code 3); starting again in {s} s" for s in ("0.5", "1", "2")]


def test_the_delay_has_an_upper_end_and_begins_again_after_a_long_life() -> None:
    child = Child(Program("web", [], {}), StringIO(), "")
    for _ in range(10):
        child.plan_restart(1, now=child.started_at + WELL_AFTER_S - 1)
    assert child.start_at - (child.started_at + WELL_AFTER_S - 1) == LONGEST_DELAY_S
    child.plan_restart(-signal.SIGKILL, now=child.started_at + WELL_AFTER_S)
    assert child.start_at - (child.started_at + WELL_AFTER_S) == 0.5


def test_a_death_of_one_leaves_the_others_alone(start: Start) -> None:
    run = start({"web": "import os; print('pid', os.getpid());" + SLEEP, "worker": "raise SystemExit(1)"})
    assert run.read_until("in 1 s").count("pid") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_running_work_is_finished_before_the_end(start: Start, number: int) -> None:
    work = "import signal, sys, time\ndef end(*_):\n time.sleep(1); print('finished'); sys.exit()\n"
    run = start({"worker": work + "signal.signal(signal.SIGTERM, end); print('up');" + SLEEP})
    run.read_until("up")
    run.process.send_signal(number)
    said, _ = run.process.communicate(timeout=30)
    assert (run.process.returncode, said) == (0, "worker | finished\n")


def test_last_words_are_heard_to_the_end() -> None:
    class SlowTerminal(StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.01)
            return super().write(text)

    out = SlowTerminal()
    command = [sys.executable, "-c", "print('word\\n' * 20, end='')"]
    child = Child(Program("web", command, dict(os.environ)), out, "")
    child.start(0)
    assert child.process is not None
    child.process.wait()
    child.bury()
    assert out.getvalue() == "word\n" * 20


def test_a_child_that_will_not_stop_is_killed_in_the_end(start: Start) -> None:
    run = start({"web": f"import os; print('pid', os.getpid(), flush=True); {STUBBORN}"}, stop_timeout_s=0.5)
    pid = pid_said(run.read_until("pid"))
    run.read_until("up")
    began = time.monotonic()
    assert run.stop()[0] == 0
    assert 0.5 < time.monotonic() - began < 15
    assert not is_alive(pid)


def test_asked_twice_it_does_not_wait(start: Start) -> None:
    run = start({"web": STUBBORN}, stop_timeout_s=60)
    run.read_until("up")
    run.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(timeout=1)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=15) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_do_not_outlive_a_killed_supervisor(start: Start) -> None:
    run = start({"web": "import os; print('pid', os.getpid());" + SLEEP})
    pid = pid_said(run.read_until("pid"))
    assert is_alive(pid)
    run.process.kill()
    wait_until(lambda: not is_alive(pid))


def test_what_a_killed_child_left_behind_is_killed_before_it_starts_again(start: Start) -> None:
    parent = (
        "import os, subprocess, sys\n"
        f"left = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"print('pids', os.getpid(), left.pid); {SLEEP}"
    )
    run = start({"web": parent})
    child, grandchild = map(int, run.read_until("pids").split()[-2:])
    assert is_alive(grandchild)
    os.kill(child, signal.SIGKILL)
    run.read_until("stopped (Killed)")
    wait_until(lambda: not is_alive(grandchild))


def test_a_child_is_not_blocked_when_nobody_reads(start: Start, tmp_path: Path) -> None:
    talk = "for _ in range(5000): print('x' * 100)\n"
    done = tmp_path / "done"
    run = start({"web": f"print('up')\n{talk}open({str(done)!r}, 'w')\n{SLEEP}"})
    run.read_until("up")
    assert run.process.stdout is not None
    run.process.stdout.close()
    wait_until(done.exists)
    run.process.stdout = None
