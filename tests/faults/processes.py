"""Processes that a test may start, kill and start again, and a patient look at what becomes of them."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
# Below the range from which Linux takes the ports of outgoing connections, so that
# nobody's connection sits on a port while its server is being started again.
PORTS = range(20_000, 32_000)

T = TypeVar("T")


class Process:
    """One program under a session of its own. It ends with pytest at the latest.

    command      as for subprocess; runs in the project's directory
    environ      all of its environment but PATH
    log          what it says, over all its lives
    stop_signal  what asks it to end
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = list(command)
        self.environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environ}
        self.log = log
        self.stop_signal = stop_signal
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.is_running
        # The supervisor's stub ends it with us, should we be killed before we could do so.
        stub = [PYTHON, "-m", "gateway.supervisor", str(os.getpid())]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [*stub, *self.command],
                cwd=PROJECT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL for it and for all that it started."""
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()

    def stop(self, timeout_s: float = 20) -> int:
        """Ask it to end and say with which code it did."""
        assert self.popen is not None
        if self.is_running:
            self.send(self.stop_signal)
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.log.stem} did not stop within {timeout_s} s\n{self.last_words()}")
        finally:
            self.kill()

    def children(self) -> set[int]:
        """The pids of those it started itself."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return set(map(int, listed.split()))

    def last_words(self, lines: int = 30) -> str:
        return "\n".join(self.said().splitlines()[-lines:])

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def wait_until(look: Callable[[], T], timeout_s: float, wanted: str) -> T:
    """What `look` finds, as soon as it finds something; the test fails when that takes too long."""
    ends_at = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > ends_at:
            pytest.fail(f"not within {timeout_s:.1f} s: {wanted}")
        time.sleep(0.02)
    return found


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
