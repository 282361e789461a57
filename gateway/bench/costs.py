"""What the gateway costs: processor time and memory of its processes and of its database connections.

Read from /proc, so on Linux only; elsewhere these figures are left out. A
PostgreSQL or Redis on another machine counts as nothing.
"""

import os
from pathlib import Path

from redis import Redis
from sqlalchemy import text

from gateway.bench.site import Site
from gateway.core import db

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_OURS = ("web", "worker")


def are_known() -> bool:
    return Path("/proc/self/stat").exists()


def cpu_s(site: Site) -> float:
    """Seconds of processor time so far: web, worker, database connections, Redis."""
    pids = [pid for program in site.programs if program.name in _OURS for pid in _family(program.pid)]
    return sum(map(_cpu_of, [*pids, *_backends(site)])) + _redis_cpu_s(site)


def memory_mb(site: Site) -> dict[str, float]:
    """Resident megabytes of each process, by a name that tells them apart."""
    found = {}
    for program in site.programs:
        if program.name not in _OURS:
            continue
        for number, pid in enumerate(_family(program.pid)):
            name = program.name if number == 0 else f"{program.name}, process {number}"
            found[name] = _resident_mb(pid)
    return found


def _family(pid: int) -> list[int]:
    """This process and all below it."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in listed for member in _family(int(child)))]


def _backends(site: Site) -> list[int]:
    """The processes that serve our database, if they run on this machine."""
    if site.config.is_embedded:
        return []
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with db.engine().connect() as connection:
        pids = [int(row[0]) for row in connection.execute(text(query))]
    return [pid for pid in pids if _name_of(pid).startswith("postgres")]


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it ended in between
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _redis_cpu_s(site: Site) -> float:
    """All of the server's time: it does not say who asked for it."""
    if site.config.redis_url is None:
        return 0.0
    with Redis.from_url(site.config.redis_url, socket_timeout=5) as client:
        told = client.info("cpu")
    return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
