"""The command's words: what is under way, on what machine, and the table."""

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from gateway import bench
from gateway.bench import steps, wrk
from gateway.bench.figures import Report
from gateway.bench.load import LoadFailed
from gateway.bench.settings import Settings
from gateway.bench.site import Stuck
from gateway.bench.stores import NoRoom


def run(engine: str, only: Sequence[str], no_wrk: bool, sizes: Mapping[str, Any]) -> int:
    """Measure, print, and return 0; targets that are missed are said and fail nothing."""
    unknown = set(only) - set(steps.NAMES)
    if unknown:
        raise click.ClickException(f"the steps are {', '.join(steps.NAMES)}")
    said = {name: size for name, size in sizes.items() if size} | _stores()
    settings = replace(Settings(engine=engine, only=frozenset(only), with_wrk=not no_wrk), **said)
    # What migrations and the like have to tell is not what was asked for.
    logging.disable(logging.WARNING)
    report = Report(engine)
    try:
        bench.run(settings, lambda words: click.echo(f"… {words}", err=True), report)
    except (Stuck, LoadFailed, NoRoom, OSError) as trouble:
        raise click.ClickException(str(trouble)) from None
    finally:
        # What was measured until something went wrong is as true as the rest.
        if report.lines():
            _show(report, settings)
    return 0


def _show(report: Report, settings: Settings) -> None:
    click.echo(f"\n{_machine(settings)}\n\n{report.table()}\n")
    lines = [line for line in report.lines() if line.is_met is not None]
    click.echo(f"{sum(bool(line.is_met) for line in lines)} of {len(lines)} targets are met.")


def _stores() -> dict[str, Any]:
    """The servers that the tests use, too, unless other ones are named."""
    names = {"postgres_url": "TEST_POSTGRES_URL", "redis_url": "TEST_REDIS_URL"}
    return {option: os.environ[name] for option, name in names.items() if os.environ.get(name)}


def _machine(settings: Settings) -> str:
    client = "wrk" if settings.with_wrk and wrk.is_installed() else "our own client"
    return (
        f"{os.cpu_count()} processors, Python {platform.python_version()}, load by {client} over "
        f"{settings.connections} connections for {settings.seconds:g} s, medians of {settings.turns}. "
        "POST to webhook is from the answer of the POST to the verified webhook in the shop. "
        "Shares of payments are of what R2 did just before."
    )
