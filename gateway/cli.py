"""The commands of `python3 -m gateway`. What is slow to import is imported inside its command."""

import contextlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from gateway.core.config import PROJECT_ROOT, Config, ConfigError
from gateway.stack import Stack, complete_environ, free_port, granian
from gateway.supervisor import Supervisor

SHOP_PORT = 4000
# The names of gateway.core.queue, which takes a while to import.
QUEUES = ("payments", "refunds", "webhooks")

Port = click.IntRange(1, 65535)

TEST_NAMES = {
    "postgres": "GATEWAY_TEST_POSTGRES_URL",
    "redis": "GATEWAY_TEST_REDIS_URL",
    "node": "GATEWAY_TEST_NODE",
    "browser": "GATEWAY_TEST_BROWSER",
}
# Debian's headless shell first: it draws no windows around its pages.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A self-hosted payment gateway. `up` starts all of it on this machine."""


@main.command()
@click.option("--port", type=Port, help="Of the web service; else PORT, else 8000.")
@click.option("--shop-port", type=Port, help=f"Of the test shop; else {SHOP_PORT}.")
@click.option("--check", is_flag=True, help="Start on free ports, try everything once, stop.")
def up(port: int | None, shop_port: int | None, check: bool) -> None:
    """Start web, worker and test shop, and keep them running."""
    with contextlib.ExitStack() as undo:
        environ = dict(os.environ)
        if check:
            # Data of its own, so that a gateway already running here is not disturbed.
            environ["GATEWAY_VAR"] = undo.enter_context(tempfile.TemporaryDirectory(prefix="gateway-check-"))
            port, shop_port = port or free_port(), shop_port or free_port()
        if port:
            environ["PORT"] = str(port)
        environ = complete_environ(environ, shop_port or SHOP_PORT)
        stack = Stack(read_config(environ), environ, shop_port or SHOP_PORT)
        stack.refuse_taken_ports()
        if subprocess.call([sys.executable, "-m", "gateway", "seed"], env=environ, cwd=PROJECT_ROOT) != 0:
            sys.exit(1)
        out = sys.stderr if check else sys.stdout
        supervisor = undo.enter_context(Supervisor(stack.programs(), out))
        if stack.wait_until_ready(supervisor):
            if check:
                sys.exit(0 if stack.try_out(supervisor) else 1)
            click.echo(stack.welcome())
            supervisor.tend_until(lambda: False)


@main.command()
def web() -> None:
    """Serve API, dashboard and checkout on HOST and PORT."""
    config = read_config(os.environ)
    with database_errors_in_words():
        from gateway.app import prepare

        prepare(config)
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, granian(config, os.environ))


@main.command()
@click.option("--queue", "queues", type=click.Choice(QUEUES), multiple=True, help="Only this; repeatable.")
def worker(queues: Sequence[str]) -> None:
    """Run the jobs: payments, refunds, webhooks."""
    chosen = [word for queue in queues for word in ("--queue", queue)]
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, "huey_worker.py", *chosen])


@main.command()
def migrate() -> None:
    """Bring the tables up to date."""
    config = read_config(os.environ)
    with database_errors_in_words():
        from gateway.core.migration import upgrade

        upgrade(config)


@main.command()
def seed() -> None:
    """Bring the tables up to date and, in the sandbox, make the test merchant."""
    config = read_config(os.environ)
    with database_errors_in_words():
        from gateway.app import prepare

        prepare(config)


@main.command()
def verify() -> None:
    """Recompute all money from the ledger and say what does not agree; exit 1 if anything."""
    config = read_config(os.environ)
    with database_errors_in_words():
        from gateway.app import connect
        from gateway.core.db import reading
        from gateway.domain import verification

        connect(config)
        with reading():
            complaints = verification.complaints()
    for rule in verification.RULES:
        click.echo(f"{'✗' if rule in complaints else '✓'} {rule}")
        for broken in complaints.get(rule, []):
            click.echo(f"    not so: {broken}")
    sys.exit(1 if complaints else 0)


@main.command()
@click.option("--payments", type=click.IntRange(1, 9_999_999), default=1_000_000, show_default=True)
def fill(payments: int) -> None:
    """Make a big sandbox database: so many payments, each with its order, event and delivery."""
    config = read_config(os.environ)
    if not config.is_sandbox:
        raise click.ClickException("production is not a place to invent payments")
    with database_errors_in_words():
        from gateway import fill as filling
        from gateway.app import prepare

        prepare(config)
        with click.progressbar(length=payments, label="payments") as bar:
            done = 0
            for upto in filling.fill(payments):
                bar.update(upto - done)
                done = upto
        filling.finish()


@main.command()
@click.option("--engine", type=click.Choice(["postgres", "sqlite"]), default="postgres", show_default=True)
@click.option("--only", multiple=True, metavar="STEP", help="Only this step; repeatable.")
@click.option("--turns", type=click.IntRange(1, 99), help="Medians of so many; else 3.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), help="Of each load; else 3.")
@click.option("--payments", type=click.IntRange(100, 100_000), help="End to end; else 2,500.")
@click.option("--rows", type=click.IntRange(100, 9_999_999), multiple=True, help="Of a list; repeatable.")
@click.option("--no-wrk", is_flag=True, help="Use our own client though wrk is installed.")
def bench(engine: str, only: Sequence[str], no_wrk: bool, **sizes: Any) -> None:
    """Measure speed in a database of its own, beside references, and compare with the targets."""
    from gateway.bench import command

    sys.exit(command.run(engine, only, no_wrk, sizes))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False), default="var/pictures")
def pictures(folder: str) -> None:
    """Take a picture of every page, with a browser and a gateway of its own, into FOLDER."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise click.ClickException(f"no browser was found: install one of {', '.join(BROWSERS)}")
    if importlib.util.find_spec("playwright") is None:
        raise click.ClickException("playwright is missing: pip install -r requirements-dev.txt")
    from gateway import pictures as taking

    with contextlib.ExitStack() as undo:
        var = undo.enter_context(tempfile.TemporaryDirectory(prefix="gateway-pictures-"))
        port, shop_port = free_port(), free_port()
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")
        }
        environ = complete_environ(
            kept | taking.SETTINGS | {"GATEWAY_VAR": var, "PORT": str(port)}, shop_port
        )
        stack = Stack(read_config(environ), environ, shop_port)
        taking.furnish(stack.config)
        supervisor = undo.enter_context(Supervisor(stack.programs(), sys.stderr))
        if stack.wait_until_ready(supervisor):
            for name in taking.take(stack, pathlib.Path(folder), browser):
                click.echo(f"{folder}/{name}")


def read_config(environ: Mapping[str, str]) -> Config:
    try:
        return Config.from_env(environ)
    except ConfigError as error:
        raise click.ClickException(f"these settings make no sense:\n{error}") from None


@contextlib.contextmanager
def database_errors_in_words() -> Iterator[None]:
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        raise click.ClickException(f"the database says: {str(error.orig).strip()}") from None


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]...")
def test(arguments: Sequence[str]) -> None:
    """Run the tests, with PostgreSQL, Redis, Node and a browser where they are found."""
    found = preflight(os.environ)
    environ = {name: value for name, value in os.environ.items() if name not in TEST_NAMES.values()} | found
    # Whoever names tests, processes or a debugger knows better; only a plain run is split.
    own_ways = ("-n", "-p", "-m", "--numprocesses", "--dist", "--pdb", "--trace")
    is_plain = all(word.startswith("-") and not word.startswith(own_ways) for word in arguments)
    runs = TEST_ROUNDS if is_plain else [[]]
    command = [sys.executable, "-m", "pytest"]
    codes = [subprocess.call([*command, *run, *arguments], cwd=PROJECT_ROOT, env=environ) for run in runs]
    # A round may be empty, as -k likes it; all of them may not.
    sys.exit(max([code for code in codes if code != NO_TESTS], default=NO_TESTS))


# What needs little, by two processes; browsers beside faults, which both wait most of the time; and whole
# gateways and crowds with the machine to themselves.
TEST_ROUNDS = [
    ["-n", "2", "-m", "not crowded"],
    ["-n", "2", "--dist", "loadgroup", "-m", "patient"],
    ["-m", "crowded and not patient"],
]
NO_TESTS = 5


def preflight(environ: Mapping[str, str]) -> dict[str, str]:
    """What the tests may use, as variables for pytest; what is left out is said, with the reason.

    Whatever GATEWAY_TEST_REQUIRE lists, of postgres, redis, node and browser, must be there.
    """
    required = {name.strip() for name in environ.get("GATEWAY_TEST_REQUIRE", "").split(",")} - {""}
    if required - TEST_NAMES.keys():
        raise click.ClickException(f"GATEWAY_TEST_REQUIRE knows only {', '.join(TEST_NAMES)}")
    postgres_url = environ.get("TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"
    redis_url = environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/15"
    node = shutil.which("node") or "node"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    troubles = {
        "postgres": (postgres_url, trouble_with_postgres(postgres_url)),
        "redis": (redis_url, trouble_with_redis(redis_url)),
        "node": (node, None if shutil.which(node) else "not on PATH"),
        "browser": (browser or "chromium", None if browser else "not on PATH"),
    }
    for name, (where, trouble) in troubles.items():
        shown = re.sub(r"//[^/]*@", "//", where)
        click.echo(f"{name:<8}  {shown}  {f'left out: {trouble}' if trouble else 'found'}")
    missing = sorted(name for name in required if troubles[name][1])
    if missing:
        raise click.ClickException(f"GATEWAY_TEST_REQUIRE wants {', '.join(missing)}")
    return {TEST_NAMES[name]: where for name, (where, trouble) in troubles.items() if not trouble}


def trouble_with_postgres(url: str) -> str | None:
    import psycopg2

    try:
        psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=3).close()
    except psycopg2.Error as error:
        return str(error).strip().splitlines()[0]
    return None


def trouble_with_redis(url: str) -> str | None:
    import redis

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        return str(error)
    return None
