"""Connections beside SQLAlchemy's pool: kept while they are good, and never waited for."""

from collections import deque
from typing import Any

from gateway.core.raw import RawConnections


class Emptied(deque[Any]):
    """Idle connections that another thread takes between the look whether there are any and the grasp."""

    def __len__(self) -> int:
        left = super().__len__()
        self.clear()
        return left


class Line:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_two_threads_may_drop_what_is_idle_at_once() -> None:
    connections = RawConnections(Line, lambda _: True)
    connections._idle = Emptied([(Line(), 0.0)])
    connections.drop_idle()
    assert connections.take().closed is False


def test_what_is_idle_is_closed_when_one_is_lost() -> None:
    connections = RawConnections(Line, lambda _: True)
    lines = [connections.take(), connections.take()]
    for line in lines:
        connections.give_back(line)
    connections.drop_idle()
    assert [line.closed for line in lines] == [True, True]
    assert connections.take() not in lines
