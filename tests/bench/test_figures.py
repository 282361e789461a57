"""Medians, shares, verdicts, and the table that shows them."""

import pytest

from gateway.bench.figures import R2, Figure, Report, Target


def report(*turns: list[Figure]) -> Report:
    made = Report("postgres")
    for figures in turns:
        made.add(figures)
    return made


def figure(value: float, **more: object) -> Figure:
    return Figure("speed", value, "/s", **more)  # type: ignore[arg-type]


def test_a_line_is_the_median_of_its_turns() -> None:
    (line,) = report([figure(10)], [figure(90)], [figure(30)]).lines()
    assert (line.value, line.turns, line.is_met) == (30, 3, None)


def test_a_share_is_of_the_references_median() -> None:
    target = Target(least=0.75)
    lines = report(
        [Figure(R2, 1000, "/s"), figure(700, of=R2, target=target)],
        [Figure(R2, 2000, "/s"), figure(1000, of=R2, target=target)],
        [Figure(R2, 1200, "/s"), figure(900, of=R2, target=target)],
    ).lines()
    assert (lines[1].value, lines[1].ratio, lines[1].is_met) == (900, 0.75, True)


def test_a_share_is_of_what_the_reference_did_beside_it() -> None:
    slow, fast = {"of": R2, "beside": 1000.0}, {"of": R2, "beside": 2000.0}
    lines = report(
        [Figure(R2, 1000, "/s"), figure(700, **slow)],
        [Figure(R2, 2000, "/s"), figure(1600, **fast)],
        [Figure(R2, 2000, "/s"), figure(800, **fast)],
    ).lines()
    assert (lines[1].value, lines[1].ratio) == (800, 0.7)


def test_without_its_reference_nothing_is_said_of_a_share() -> None:
    (line,) = report([figure(700, of=R2, target=Target(least=0.75))]).lines()
    assert (line.ratio, line.is_met) == (None, None)


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target(least=5), 5, True),
        (Target(least=5), 4.9, False),
        (Target(most=5), 5, True),
        (Target(most=5), 6, False),
    ],
)
def test_a_target_is_a_least_or_a_most(target: Target, value: float, met: bool) -> None:
    (line,) = report([figure(value, target=target)]).lines()
    assert line.is_met is met


def test_the_table_is_markdown_in_the_order_of_the_steps() -> None:
    table = report([Figure(R2, 3333.3, "/s"), figure(2500, of=R2, target=Target(least=0.75))]).table()
    assert table.splitlines() == [
        "| on postgres               | median   | share     | target      |   |",
        "| ------------------------- | -------- | --------- | ----------- | - |",
        "| R2: one INSERT and commit | 3,333 /s |           |             |   |",
        "| speed                     | 2,500 /s | 0.75 × R2 | ≥ 0.75 × R2 | ✓ |",
    ]
