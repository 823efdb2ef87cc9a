"""What a section of the benchmark has found, in a form that JSON, the console and the HTML report all show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | int | float


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Line:
    """A line of a plot: the points of one system."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Plot:
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    limit: float | None = None
    """A bound, drawn as a line across the plot."""
    log_y: bool = False


@dataclass(frozen=True)
class Findings:
    """What one section of the benchmark has found."""

    title: str
    explanation: str
    """What was measured and how, for a reader who was not there."""
    ratios: Mapping[str, float]
    """The section's entries in the flat `ratios` of `bench.json`; `goals.py` says what each has to reach."""
    raw: Mapping[str, Any]
    """Every figure, by round, with its settings."""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = field(default=())
