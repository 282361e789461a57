"""A Redis and a PostgreSQL of our own, for tests that flush, freeze and stop them."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg2
import pytest
from redis import Redis, RedisError

from tests.faults.processes import Process, free_port, wait_until

# PostgreSQL refuses to serve for root, and its own user cannot stand in directories of ours.
AS_POSTGRES = ["env", "--chdir=/", "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
AS_POSTGRES = [*AS_POSTGRES, "--pdeathsig=INT"] if os.geteuid() == 0 else []


class RedisServer:
    """A redis-server on a free port, which forgets everything when it stops."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed")
        self.port = free_port()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = Process([program, *options, "--dir", str(directory)], {}, directory / "redis.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def start(self) -> None:
        self.process.start()
        wait_until(self.answers, 10, "an answer of redis-server")

    def flush(self) -> None:
        with self._client() as client:
            client.flushall()

    def answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def _client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=1)


class PostgresServer:
    """A new PostgreSQL cluster on a free port, which may be stopped and started."""

    def __init__(self) -> None:
        programs = newest_postgres()
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        data = str(self.directory / "data")
        self.initdb = [*AS_POSTGRES, str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust"]
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        command = [*AS_POSTGRES, str(programs / "postgres"), "-D", data]
        command += [f"--{name}={value}" for name, value in options.items()]
        # SIGQUIT: at once, without waiting for clients; the next start recovers.
        self.process = Process(command, {}, self.directory / "postgres.log", stop_signal=signal.SIGQUIT)

    def __enter__(self) -> Self:
        if AS_POSTGRES:
            shutil.chown(self.directory, "postgres", "postgres")
        subprocess.run([*self.initdb, "-E", "UTF8", "--no-sync"], check=True, stdout=subprocess.DEVNULL)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        self.process.start()
        wait_until(self.answers, 20, "an answer of PostgreSQL")

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"


def newest_postgres() -> Path:
    """Where the programs of the newest installed server are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server is installed here that could be stopped")
    return found[-1].parent if found else Path(on_path or "").resolve().parent
