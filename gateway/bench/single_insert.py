"""One INSERT and its commit, the yardstick of R2 and R3; here by pgbench, where it is installed."""

import re
import shutil
import subprocess
from pathlib import Path

TABLE = "CREATE TABLE reference_rows (id varchar(36) PRIMARY KEY, body text NOT NULL)"
INSERT = "INSERT INTO reference_rows (id, body) VALUES"
_SCRIPT = f"{INSERT} (md5(random()::text || clock_timestamp()::text), '{{}}');"


def by_pgbench(database_url: str, directory: Path, seconds: float, connections: int) -> float | None:
    """R3: INSERTs a second, or None where pgbench is not installed."""
    program = shutil.which("pgbench")
    if program is None:
        return None
    script = directory / "insert.sql"
    script.write_text(_SCRIPT)
    options = ["--no-vacuum", "--protocol=prepared", "--jobs=2", f"--client={connections}"]
    options += [f"--time={max(1, round(seconds))}", f"--file={script}"]
    done = subprocess.run(
        [program, *options, database_url.replace("+psycopg2", "", 1)],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    return parse(done.stdout)


def parse(output: str) -> float:
    found = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
    if found is None:
        raise ValueError("pgbench said nothing of tps")
    return float(found[1])
