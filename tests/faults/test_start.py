"""Processes started at the same moment on an empty database, as a compose file starts them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from gateway.core.config import sqlalchemy_url
from tests.conftest import POSTGRES, fresh_postgres
from tests.faults.processes import PROJECT, PYTHON

AT_ONCE = 3


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, worker_name: str) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    with fresh_postgres(f"gateway_start_{worker_name}") as url:
        yield url


def test_several_may_prepare_one_empty_database_at_once(empty_database: str, tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "GATEWAY_BOOTSTRAP": "off",
        "GATEWAY_VAR": str(tmp_path),
        "DATABASE_URL": empty_database,
    }
    started = [
        subprocess.Popen(
            [PYTHON, "-m", "gateway", "seed"], cwd=PROJECT, env=environ, stderr=subprocess.PIPE, text=True
        )
        for _ in range(AT_ONCE)
    ]
    try:
        words = [process.communicate(timeout=30)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * AT_ONCE, "\n".join(words)[-3000:]
    engine = create_engine(sqlalchemy_url(empty_database))
    with engine.connect() as connection:
        for table in ("merchants", "users", "api_keys", "webhook_endpoints"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1
    engine.dispose()
