"""Charts, as the numbers that an SVG needs: the server draws, the browser only looks.

The drawing has no text, so that it may be stretched to any width; what it says
stands in HTML around it, and in a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.statistics import Bar

WIDTH, HEIGHT = 1000, 100
_GAP = 0.28

_LABELS = {"hour": "{:%H:%M}", "day": "{:%-d %b}", "week": "Week of {:%-d %b}", "month": "{:%b %Y}"}


@dataclass(frozen=True)
class Piece:
    """One rectangle of the drawing, and what the pointer is told over it."""

    tone: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Column:
    """One stretch of time: its rectangles from the bottom up, over a strip that is as high as the chart."""

    x: float
    width: float
    bar: Bar
    label: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Chart:
    top: int
    columns: list[Column]
    labels: list[str]


def label(start: datetime, unit: str) -> str:
    """What a stretch of time is called: `14:00`, `15 Jan`, `Week of 12 Jan`, `Jan 2026`."""
    return _LABELS[unit].format(start)


def amounts(bars: Sequence[Bar], unit: str) -> Chart:
    """How much was taken in each stretch."""
    return _chart(bars, unit, [[("good", bar.amount)] for bar in bars])


def counts(bars: Sequence[Bar], unit: str) -> Chart:
    """How many payments there were in each stretch, and what became of them."""
    return _chart(
        bars, unit, [[("good", bar.succeeded), ("bad", bar.failed), ("rest", bar.pending)] for bar in bars]
    )


def _chart(bars: Sequence[Bar], unit: str, parts: list[list[tuple[str, int]]]) -> Chart:
    top = max((sum(value for _, value in part) for part in parts), default=0)
    step = WIDTH / max(1, len(bars))
    columns = [
        Column(
            round(at * step, 2),
            round(step, 2),
            bar,
            label(bar.start, unit),
            _stack(at * step, step, part, top),
        )
        for at, (bar, part) in enumerate(zip(bars, parts, strict=True))
    ]
    middle = [columns[len(columns) // 2].label] if len(columns) > 4 else []
    return Chart(top, columns, [columns[0].label, *middle, columns[-1].label] if columns else [])


def _stack(x: float, step: float, parts: list[tuple[str, int]], top: int) -> list[Piece]:
    pieces, filled = [], 0.0
    for tone, value in parts:
        # What is there is seen, however little it is beside the highest.
        height = max(1.0, HEIGHT * value / top) if value else 0.0
        filled = min(HEIGHT, filled + height)
        if value:
            width = step * (1 - _GAP)
            pieces.append(
                Piece(
                    tone,
                    round(x + step * _GAP / 2, 2),
                    round(HEIGHT - filled, 2),
                    round(width, 2),
                    round(height, 2),
                )
            )
    return pieces
