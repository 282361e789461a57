"""`python3 -m gateway bench`: measures the gateway the way users meet it.

    settings    what to measure, and how much of it
    figures     what was measured, medians, targets, the table
    steps lists what is done, and which figures come of it
    site        a gateway of its own for a step: database, Redis, processes
    reference   the same server with less to do, and
    yardstick             what it does then: R1, R2, R3
    load wrk    who asks: wrk where it is installed,
    client                else a small client of our own
    receiver    the shop that the webhooks go to
    costs       processor time and memory

A figure means little without one beside it that was taken on the same machine
in the same minutes, so most targets are shares of a reference. Everything runs
on 127.0.0.1, in a database of its own that is dropped at the end, also when the
run is interrupted.
"""

from collections.abc import Callable

from gateway.bench import signals, steps
from gateway.bench.figures import Report
from gateway.bench.settings import Settings


def run(settings: Settings, say: Callable[[str], None], report: Report | None = None) -> Report:
    """Measure what was asked for, into `report`; `say` hears which step is under way.

    Each turn measures the references anew, and R2 once more just before what is
    judged by it, so that whatever else the machine is busy with falls on both sides.
    """
    report = report or Report(settings.engine)
    chosen = steps.chosen(settings.only)
    with signals.ending_once():
        for turn in range(1, settings.turns + 1):
            for step in chosen:
                if step.is_repeated or turn == 1:
                    say(f"{step.name}, turn {turn} of {settings.turns if step.is_repeated else 1}")
                    report.add(step.run(settings))
    return report
