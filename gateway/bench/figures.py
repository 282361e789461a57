"""What was measured: medians, ratios, targets, and the table that shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

R1 = "R1: JSON, no database"
R2 = "R2: one INSERT and commit"
R3 = "R3: one INSERT by pgbench"


@dataclass(frozen=True)
class Target:
    """`least` or `most`, of the figure itself or of its share of a reference."""

    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"≥ {shown(self.least)}" if self.least is not None else f"≤ {shown(self.most or 0)}"


@dataclass(frozen=True)
class Figure:
    """One measurement. With `of` its target is about its share of that reference.

    beside  what the reference did just before; without it the share is of the reference's median
    """

    label: str
    value: float
    unit: str
    of: str | None = None
    target: Target | None = None
    beside: float | None = None


@dataclass(frozen=True)
class Line:
    """The median of a figure over all turns, beside its reference and its target."""

    label: str
    value: float
    unit: str
    of: str | None
    ratio: float | None
    target: Target | None
    turns: int

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is none, or nothing to compare with."""
        judged = self.value if self.of is None else self.ratio
        return None if self.target is None or judged is None else self.target.is_met(judged)

    def cells(self) -> tuple[str, ...]:
        of = f" × {self.of.partition(':')[0]}" if self.of is not None else ""
        share = f"{self.ratio:.2f}{of}" if self.ratio is not None else ""
        target = f"{self.target}{of}" if self.target is not None else ""
        verdict = {None: "", True: "✓", False: "✗"}[self.is_met]
        return (self.label, f"{shown(self.value)} {self.unit}", share, target, verdict)


class Report:
    """Gathers the figures of all turns, in the order in which they first came."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self._figures: dict[str, list[Figure]] = {}

    def add(self, figures: Iterable[Figure]) -> None:
        for figure in figures:
            self._figures.setdefault(figure.label, []).append(figure)

    def lines(self) -> list[Line]:
        values = {
            label: median(figure.value for figure in figures) for label, figures in self._figures.items()
        }
        lines = []
        for label, figures in self._figures.items():
            first, reference = figures[0], values.get(figures[0].of or "")
            shares = [figure.value / figure.beside for figure in figures if figure.beside]
            ratio = median(shares) if shares else values[label] / reference if reference else None
            lines.append(Line(label, values[label], first.unit, first.of, ratio, first.target, len(figures)))
        return lines

    def table(self) -> str:
        """The lines as a Markdown table, readable as it is."""
        heads = (f"on {self.engine}", "median", "share", "target", "")
        rows = [heads, *(line.cells() for line in self.lines())]
        widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
        rows.insert(1, tuple("-" * width for width in widths))
        padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
        return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def shown(value: float) -> str:
    """Three figures that mean something, with thousands apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
