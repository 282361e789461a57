"""Which process goes first, as the kernel tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core import priority

AUTOGROUP = Path("/proc/self/autogroup")
HERE = "from gateway.core import priority; priority.give_way(); import os, pathlib;"
TELL_NICENESS = "print(os.getpriority(os.PRIO_PROCESS, 0))"
TELL_SESSION = f"print(pathlib.Path('{AUTOGROUP}').read_text())"
IN_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"

on_linux = pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not weigh sessions")


def told_by(code: str) -> str:
    """What a process says that has a session of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_process_gives_way_by_so_many_steps() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert int(told_by(HERE + TELL_NICENESS)) == min(ours + priority.STEPS, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


@on_linux
def test_so_does_a_session_that_was_made_for_it() -> None:
    assert told_by(HERE + TELL_SESSION).endswith(f"nice {priority.STEPS}")


@on_linux
def test_so_does_one_that_was_made_for_its_parent() -> None:
    assert told_by(IN_A_CHILD.format(code=HERE + TELL_SESSION)).endswith(f"nice {priority.STEPS}")


@on_linux
def test_a_session_that_others_work_in_stays_as_it_is() -> None:
    code = IN_A_CHILD.format(code=HERE + TELL_SESSION)
    grandchild = IN_A_CHILD.format(code=code)
    assert told_by(grandchild).endswith("nice 0")


@pytest.mark.parametrize("trouble", [PermissionError(), FileNotFoundError()])
def test_where_nothing_can_be_had_everything_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, trouble: OSError
) -> None:
    def refuse(_steps: int) -> int:
        raise trouble

    monkeypatch.setattr(os, "nice", refuse)
    priority.give_way()
