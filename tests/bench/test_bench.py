"""The whole benchmark, small: on both engines, and interrupted half way."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from redis import Redis

from gateway import bench
from gateway.bench import single_insert, steps
from gateway.bench.figures import R2, Line
from gateway.bench.settings import Settings
from tests.conftest import POSTGRES, PROJECT

REDIS = os.environ.get("GATEWAY_TEST_REDIS_URL")
SMALL: dict[str, Any] = {
    "turns": 1,
    "seconds": 1.0,
    "payments": 200,
    "refunds": 100,
    "delayed": 50,
    "rows": (2000,),
}
# Every step on one engine, the longest way on both: starting gateways takes most of the time.
STEPS = {
    "sqlite": frozenset({"repeats", "webhooks", "lists"}),
    "postgres": frozenset({"orders", "payments", "webhooks", "trickle", "refunds", "delay"}),
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """SQLite's half is asked by our own client, PostgreSQL's by wrk where it is installed."""
    if request.param == "sqlite":
        return Settings(engine="sqlite", with_wrk=False, only=STEPS["sqlite"], **SMALL)
    if POSTGRES is None or REDIS is None:
        pytest.skip("no PostgreSQL and Redis were found")
    return Settings(postgres_url=POSTGRES, redis_url=REDIS, only=STEPS["postgres"], **SMALL)


@pytest.fixture(scope="module")
def lines(settings: Settings) -> dict[str, Line]:
    report = bench.run(settings, print)
    return {line.label: line for line in report.lines()}


def test_every_step_gives_its_figures(settings: Settings, lines: dict[str, Line]) -> None:
    expected = {
        "R1: JSON, no database",
        R2,
        "end to end, success event",
        "end to end, all events",
        "POST to webhook saturated, p50",
        "POST to webhook saturated, p99",
        "CPU per 1,000 payments",
        "memory: worker",
    }
    if settings.on_sqlite:
        expected |= {
            "replay of a key",
            "GET payment",
            "list of 2,000, first page, p50",
            "list of 2,000, filtered page, p50",
            "list of 2,000, deep page by key, p50",
            "list of 2,000, deep page by offset, p50",
            "CPU of a payment, empty to 2,000 rows",
        }
    else:
        expected |= {
            "POST orders",
            "POST payments, worker stopped",
            "POST payments, worker running",
            "POST to webhook at 20/s, p50",
            "refunds created",
            "refunds processed",
            "50 payments with a delay of 1 s",
        }
    assert expected <= lines.keys()
    assert all(line.value > 0 for label, line in lines.items() if not label.startswith("CPU of a payment"))


# Half of each target: a run as small as this, on whatever machine, tells no finer.
LEAST_SHARES = {
    "POST payments, worker stopped": 0.75 / 2,
    "POST payments, worker running": 0.5 / 2,
    "end to end, success event": 0.45 / 2,
}


@pytest.mark.parametrize("label", LEAST_SHARES)
def test_speed_has_not_halved(settings: Settings, lines: dict[str, Line], label: str) -> None:
    if settings.on_sqlite:
        pytest.skip("the shares are those of PostgreSQL")
    assert (lines[label].ratio or 0) >= LEAST_SHARES[label]


def test_unknown_steps_are_refused_by_name() -> None:
    done = subprocess.run([*COMMAND, "--only", "nonsense"], **SPAWN, timeout=60)
    assert done.returncode == 1
    assert ", ".join(steps.NAMES) in done.stderr


def test_what_pgbench_says_is_read() -> None:
    said = "latency average = 0.5 ms\ntps = 14500.25 (without initial connection time)\n"
    assert single_insert.parse(said) == 14500.25
    with pytest.raises(ValueError, match="tps"):
        single_insert.parse("pgbench: error")


COMMAND = [sys.executable, "-m", "gateway", "bench"]
SPAWN: dict[str, Any] = {
    "cwd": PROJECT,
    "env": os.environ | {"GATEWAY_BOOTSTRAP": "off"},
    "capture_output": True,
    "text": True,
}


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    if POSTGRES is None or REDIS is None:
        pytest.skip("no PostgreSQL and Redis were found")
    servers = {"TEST_POSTGRES_URL": POSTGRES, "TEST_REDIS_URL": REDIS, "TMPDIR": str(tmp_path)}
    run = subprocess.Popen(
        [*COMMAND, "--only", "payments", "--turns", "1", "--seconds", "20"],
        cwd=PROJECT,
        env=SPAWN["env"] | servers,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_it_has_begun(run.pid)
        assert left_behind(run.pid)
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)
        run.send_signal(signal.SIGTERM)  # impatience does not keep it from clearing up
        assert run.wait(30) == 1
    finally:
        run.kill()
        run.communicate()
    assert left_behind(run.pid) == []
    assert list(tmp_path.iterdir()) == []


def wait_until_it_has_begun(pid: int) -> None:
    ends_at = time.monotonic() + 30
    while not any("pg" in found or "wrk" in found for found in family(pid)):
        assert time.monotonic() < ends_at, f"no load within 30 s, only {family(pid)}"
        time.sleep(0.05)


def left_behind(pid: int) -> list[str]:
    """What there is of this run: databases, Redis keys of its own, processes below it."""
    connection = psycopg2.connect(POSTGRES)
    cursor = connection.cursor()
    cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"gateway\\_bench\\_{pid}\\_%",))
    databases = [row[0] for row in cursor.fetchall()]
    connection.close()
    claimed = []
    for number in range(1, 8):
        with Redis.from_url(re.sub(r"/\d*$", "", REDIS or "") + f"/{number}") as client:
            if client.get("gateway.bench") == str(pid).encode():
                claimed.append(f"Redis {number}")
    return [*databases, *claimed, *family(pid)]


def family(pid: int) -> list[str]:
    """The commands of all processes that this one started and that still run."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    found = []
    for child in children:
        try:
            found.append(Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
        found += family(int(child))
    return found
