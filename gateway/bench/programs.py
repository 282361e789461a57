"""Processes of a site: each in a session of its own, ended with all that it started."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.core.config import PROJECT_ROOT

STOP_TIMEOUT_S = 10.0
_LISTENING = "0A"


def _kept() -> dict[str, str]:
    """What a site's processes know of our own environment; settings of somebody's gateway are not in it."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def listeners(port: int, unknown: int) -> int:
    """How many sockets of this machine listen on this port (proc_net_tcp, Linux); else what is `unknown`."""
    try:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return unknown
    sockets = [line.split() for line in lines]
    return sum(socket[1].endswith(f":{port:04X}") and socket[3] == _LISTENING for socket in sockets)


class Program:
    """One process that serves until it is stopped. Dies with us, should we be killed."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._log = log
        # The supervisor's stub ties the child to our life, then becomes the command.
        stub = [sys.executable, "-m", "gateway.supervisor", str(os.getpid())]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*stub, *command],
                cwd=PROJECT_ROOT,
                env={**_kept(), "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """Ask it to end, then kill what is left of it and of those it started."""
        if self.is_running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
