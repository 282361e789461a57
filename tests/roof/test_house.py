"""The walls of the house, and its manners."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=300)


def test_imports_run_downwards_only() -> None:
    linted = run(str(Path(sys.executable).with_name("lint-imports")))
    assert linted.returncode == 0, linted.stdout


def test_ruff_has_nothing_to_say() -> None:
    linted = run(sys.executable, "-m", "ruff", "check", ".")
    assert linted.returncode == 0, linted.stdout


def test_every_type_fits() -> None:
    checked = run(sys.executable, "-m", "mypy")
    assert checked.returncode == 0, checked.stdout


def test_nothing_reads_the_clock_but_the_clock() -> None:
    """`time.monotonic` and the database's clock are for leases and timeouts; wall time has one home."""
    readers = []
    for path in (PROJECT / "gateway").rglob("*.py"):
        source = path.read_text()
        if re.search(r"datetime\.(now|utcnow)\(", source) and path.name != "clock.py":
            readers.append(path.name)
    assert readers == []


@pytest.mark.parametrize("path", sorted((PROJECT / "gateway").rglob("*.py")), ids=lambda path: path.name)
def test_no_module_has_grown_past_its_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350
