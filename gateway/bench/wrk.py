"""Load by wrk, where it is installed: it costs the machine least, so more is left for the gateway."""

import re
import shutil
import subprocess
from pathlib import Path

from gateway.bench.load import PATTERN, Load, Requests

THREADS = 2

_SCRIPT = """
local started = 0
function setup(thread) thread:set("first", started); started = started + 1 end
local at
local headers = {%(headers)s}
function request()
    at = (at or first - %(threads)d) + %(threads)d
    local n = string.format("%%016d", at %% %(numbers)d + 1)
    %(key)s
    return wrk.format("%(method)s", %(path)s, headers, %(body)s)
end
"""
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def run(port: int, requests: Requests, directory: Path, connections: int, seconds: float) -> Load:
    script = directory / "load.lua"
    script.write_text(script_for(requests))
    options = ["--latency", f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    done = subprocess.run(
        ["wrk", *options, "-s", str(script), f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    return parse(done.stdout)


def script_for(requests: Requests) -> str:
    if not requests.key:
        key = ""
    elif requests.same_key:
        key = f'headers["Idempotency-Key"] = {_quoted(requests.key)}'
    else:
        key = f'headers["Idempotency-Key"] = {_quoted(requests.key + "-")} .. at'
    return _SCRIPT % {
        "headers": ", ".join(f"[{_quoted(k)}] = {_quoted(v)}" for k, v in requests.headers.items()),
        "threads": THREADS,
        "numbers": requests.numbers,
        "key": key,
        "method": requests.method,
        "path": _numbered(requests.path),
        "body": _numbered(requests.body) if requests.body else "nil",
    }


def _numbered(text: str) -> str:
    return " .. n .. ".join(_quoted(part) for part in text.split(PATTERN))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(output: str) -> Load:
    """What wrk printed. Raises ValueError for anything that is not its report."""
    return Load(
        per_second=float(_find(r"Requests/sec:\s+([0-9.]+)", output)),
        p50_ms=_latency(50, output),
        p99_ms=_latency(99, output),
        answered=int(_find(r"(\d+) requests in", output)),
        failures=_failures(output),
    )


def _find(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"wrk's report lacks {pattern!r}")
    return found[1]


def _latency(percent: int, output: str) -> float:
    text = _find(rf"\s{percent}%\s+([0-9.]+[a-z]+)", output)
    number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS_MS[unit]


def _failures(output: str) -> int:
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return (int(refused[1]) if refused else 0) + sum(map(int, broken.groups() if broken else ()))
