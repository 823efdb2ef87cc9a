"""The kinds of chart that a report has. What differs by colour differs by marker and dashes as well."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from loadtest.report.parts import Chart
from loadtest.report.svg import INK, SETTINGS, as_svg, series_color

_SIZE = (5.2, 3.7)
"""Inches; text of 11 points is still read where this is shown at the width of a telephone."""

_MARKERS = "os^DvPX*"
_DASHES = ("-", "--", "-.", ":", (0, (7, 1.5)), (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (9, 3)))

_MAX_MARKED = 20
"""Points of a line that get a marker each; of more, some do."""


@dataclass(frozen=True)
class Line:
    label: str
    style: int
    """Of its model."""
    points: list[tuple[float, float]]
    doubted: list[tuple[float, float]] = field(default_factory=list)
    """Shown as crosses, and not joined."""


@dataclass(frozen=True)
class Axis:
    label: str
    is_log: bool = False
    begins_at_zero: bool = True
    """Unless it is logarithmic."""


@dataclass(frozen=True)
class Limit:
    """A line across the chart."""

    y: float
    label: str


@dataclass(frozen=True)
class Range:
    """From a median to a p99, in a row of its own."""

    label: str
    style: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Spot:
    label: str
    style: int
    x: float
    y: float
    is_named_left: bool = False
    """Whether its name stands to the left, so that names of neighbours do not cover each other."""


def line_chart(name: str, title: str, lines: Sequence[Line], x: Axis, y: Axis, limit: Limit | None = None) -> Chart:
    """Lines that share both axes. Values that are not finite, or cannot be on a logarithmic axis, are left out."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        _scale(axes, x, y)
        for line in lines:
            color, marker = series_color(line.style), _MARKERS[line.style % len(_MARKERS)]
            shown = _drawable(line.points, x, y)
            axes.plot(
                [point[0] for point in shown],
                [point[1] for point in shown],
                color=color,
                linestyle=_DASHES[line.style % len(_DASHES)],
                marker=marker,
                markersize=5.5,
                markevery=max(1, len(shown) // 6) if len(shown) > _MAX_MARKED else None,
                label=line.label,
            )
            crosses = _drawable(line.doubted, x, y)
            axes.plot(
                [point[0] for point in crosses],
                [point[1] for point in crosses],
                color=color,
                linestyle="",
                marker="x",
                markersize=8,
            )
        if limit:
            axes.axhline(limit.y, color=INK, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                limit.label,
                (0.01, limit.y),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
            )
        _plain_numbers(axes, x.is_log, y.is_log)
        if y.begins_at_zero and not y.is_log:
            axes.set_ylim(bottom=0)
        if len(lines) > 1:
            figure.legend(loc="outside lower center", ncols=2, handlelength=3.2)
        return _chart(figure, name, title)


def range_chart(name: str, title: str, ranges: Sequence[Range], x_label: str) -> Chart:
    """A row for each range: its p50 with the model's marker, and marks at p95 and p99."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(_SIZE[0], 0.9 + 0.3 * len(ranges)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for row, one in enumerate(reversed(ranges)):
            color = series_color(one.style)
            dashes = _DASHES[one.style % len(_DASHES)]
            axes.plot([one.p50, one.p99], [row, row], color=color, linestyle=dashes, linewidth=2)
            axes.plot([one.p50], [row], color=color, marker=_MARKERS[one.style % len(_MARKERS)], markersize=7)
            axes.plot([one.p95, one.p99], [row, row], color=color, marker="|", markersize=11, linestyle="")
        axes.set_yticks(range(len(ranges)), [one.label for one in reversed(ranges)])
        axes.set_ylim(-0.6, len(ranges) - 0.4)
        axes.set_xlabel(x_label)
        axes.grid(axis="x", which="both")
        _plain_numbers(axes, x=True, y=False, longest=30)
        return _chart(figure, name, title)


def spot_chart(name: str, title: str, spots: Sequence[Spot], x: Axis, y: Axis) -> Chart:
    """Spots with their names beside them; those of one model are joined."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        _scale(axes, x, y)
        for spot in spots:
            color, marker = series_color(spot.style), _MARKERS[spot.style % len(_MARKERS)]
            axes.plot([spot.x], [spot.y], color=color, marker=marker, markersize=8, linestyle="")
            side, offset = ("right", -8) if spot.is_named_left else ("left", 8)
            own = [one for one in spots if one.style == spot.style]
            axes.plot([one.x for one in own], [one.y for one in own], color=color, linewidth=1)
            axes.annotate(spot.label, (spot.x, spot.y), xytext=(offset, -4), textcoords="offset points", ha=side)
        axes.margins(x=0.6, y=0.15)
        _plain_numbers(axes, x.is_log, y.is_log)
        if y.begins_at_zero and not y.is_log:
            axes.set_ylim(bottom=0)
        return _chart(figure, name, title)


def _scale(axes: Axes, x: Axis, y: Axis) -> None:
    axes.set(xlabel=x.label, ylabel=y.label)
    if x.is_log:
        axes.set_xscale("log")
    if y.is_log:
        axes.set_yscale("log")
    axes.grid(which="both" if y.is_log else "major")


def _plain_numbers(axes: Axes, x: bool, y: bool, longest: float = 300) -> None:
    """Name 1000 in place of a power of ten, and of the numbers between the tens 2 and 5 alone, or none on an axis whose
    end is more than `longest` times its beginning. Called after all is drawn: an axis grows with what is on it."""
    for chosen, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if chosen:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            lowest, highest = axis.get_view_interval()
            axis.set_minor_formatter(FuncFormatter(_if_two_or_five) if highest < longest * lowest else NullFormatter())


def _if_two_or_five(value: float, _: object) -> str:
    digit = value / 10 ** math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:,g}" if round(digit, 6) in (2, 5) else ""


def _drawable(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    def is_drawable(value: float, axis: Axis) -> bool:
        return math.isfinite(value) and (value > 0 or not axis.is_log)

    return [point for point in points if is_drawable(point[0], x) and is_drawable(point[1], y)]


def _chart(figure: Figure, name: str, title: str) -> Chart:
    return Chart(name, title, as_svg(figure, name, html.escape(title)))
