"""Many who act on one gateway at the same moment: processes beside it, and clients in front of it."""

import multiprocessing
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Self, TypeVar

import urllib3

from gateway.app import connect
from gateway.core import db, queue
from gateway.core.config import Config

T = TypeVar("T")

# Long enough for every member to have heard what to do, before all of them begin.
LEAD_S = 0.02
PATIENCE_S = 60.0


class Crowd:
    """So many processes, each connected to a gateway's database as its web servers and workers are.

    A deed is a function of some module that each of them can import; what it is
    given and what it returns travel between processes.
    """

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("forkserver")
        # Imported once, by the server that the members are forked from; it never had a thread.
        context.set_forkserver_preload(["pytest", "gateway.app", "gateway.domain.refunds", __name__])
        self.size = size
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_belong, args=(theirs,), name=f"member-{number}", daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()  # which a member takes for the end
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()

    def do(self, *errands: tuple[Any, ...]) -> list[Any]:
        """What came of these errands, each a deed and what it is given, begun by one member each at once."""
        begin_at = time.monotonic() + LEAD_S
        sent = self._pipes[: len(errands)]
        for pipe, (deed, *share) in zip(sent, errands, strict=True):
            pipe.send((deed, share, begin_at))
        outcomes = [self._hear(pipe) for pipe in sent]
        troubles = [trouble for trouble, _ in outcomes if trouble is not None]
        assert not troubles, "\n".join(troubles)
        return [result for _, result in outcomes]

    def all_do(self, deed: Callable[..., T], *share: Any, members: int | None = None) -> list[T]:
        return self.do(*[(deed, *share)] * (members or self.size))

    def _hear(self, pipe: Connection) -> tuple[str | None, Any]:
        assert pipe.poll(PATIENCE_S), f"a member did not answer within {PATIENCE_S:.0f} s"
        outcome: tuple[str | None, Any] = pipe.recv()
        return outcome


def _belong(pipe: Connection) -> None:
    """The life of a member."""
    while True:
        try:
            deed, share, begin_at = pipe.recv()
        except EOFError:
            sys.exit()
        time.sleep(max(0.0, begin_at - time.monotonic()))
        try:
            pipe.send((None, deed(*share)))
        except Exception:
            pipe.send((traceback.format_exc(), None))


def arrive(config: Config) -> None:
    """A deed: connect to this gateway."""
    connect(config)


def leave() -> None:
    """A deed: let go of whatever one was connected to."""
    db.disconnect()
    queue.disconnect()


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """What came of these acts, each in a thread of its own, all beginning at the same moment."""
    together = threading.Barrier(len(acts))

    def begin(act: Callable[[], T]) -> T:
        together.wait(PATIENCE_S)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))


class Clerk:
    """Somebody with credentials at a gateway's API, who may ask many things at once."""

    def __init__(self, port: int, key: str, secret: str) -> None:
        self._address = f"http://127.0.0.1:{port}/api/v1"
        self._credentials = {"X-Api-Key": key, "X-Api-Secret": secret}
        self._http = urllib3.PoolManager(maxsize=200, retries=False, timeout=30)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        url = self._address + path
        answer = self._http.request(method, url, json=body, headers=self._credentials)
        return answer.status, answer.json()

    def refund(self, payment_id: str, amount: int) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", f"/payments/{payment_id}/refunds", {"amount": amount})

    def capture(self, payment_id: str) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", f"/payments/{payment_id}/capture")
