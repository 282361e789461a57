"""A database and a Redis number of our own, given back at the end."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from redis import Redis

# The tests have the high numbers, somebody's gateway most likely the first.
_REDIS_NUMBERS = range(7, 0, -1)
_CLAIM = "gateway.bench"
_CLAIM_S = 3600
_numbers = itertools.count(1)


class NoRoom(Exception):
    """Every number of the Redis server is in use."""


@contextlib.contextmanager
def fresh_database(postgres_url: str) -> Iterator[str]:
    """The address of a new, empty database on that server; dropped at the end, whoever is still in it."""
    name = f"gateway_bench_{os.getpid()}_{next(_numbers)}"
    _ask(postgres_url, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    finally:
        _ask(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def _ask(postgres_url: str, statement: str) -> None:
    connection = psycopg2.connect(postgres_url.replace("+psycopg2", "", 1), connect_timeout=5)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()


@contextlib.contextmanager
def fresh_redis(redis_url: str) -> Iterator[str]:
    """The address of a Redis number that was empty and is marked as ours until the end.

    raises  NoRoom  they all hold something
    """
    for number in _REDIS_NUMBERS:
        url = urlunsplit(urlsplit(redis_url)._replace(path=f"/{number}"))
        with Redis.from_url(url, socket_timeout=5) as client:
            if client.dbsize() or not client.set(_CLAIM, os.getpid(), nx=True, ex=_CLAIM_S):
                continue
            try:
                yield url
            finally:
                # The queues of gateway/core/queue.py, and nothing that anybody else may have put here.
                ours = list(client.scan_iter("huey.*gateway*", count=1000))
                client.delete(_CLAIM, *ours)
            return
    raise NoRoom(f"Redis numbers {_REDIS_NUMBERS[-1]} to {_REDIS_NUMBERS[0]} are all in use")
