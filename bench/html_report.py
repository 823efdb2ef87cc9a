"""One HTML file that needs no other: goals, tables, and plots as SVG."""

import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.findings import Cell, Findings, Plot, Table
from bench.goals import GOALS

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .7rem; text-align: right } th:first-child, td:first-child
{ text-align: left } .missed { color: #a00 } .met { color: #070 } svg { max-width: 100%; height: auto }
"""


def write_html(path: Path, machine: Mapping[str, Cell], findings: Sequence[Findings]) -> None:
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>seq2serve: benchmark</title>",
        f"<style>{_STYLE}</style><h1>seq2serve: benchmark</h1>",
        "<p>" + html.escape(", ".join(f"{name}: {value}" for name, value in machine.items())) + "</p>",
        _table(goals_table(findings)),
    ]
    for found in findings:
        parts += [f"<h2>{html.escape(found.title)}</h2>", f"<p>{html.escape(found.explanation)}</p>"]
        parts += map(_table, found.tables)
        parts += map(_svg, found.plots)
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def goals_table(findings: Iterable[Findings]) -> Table:
    """Every ratio, beside what it has to reach."""
    rows: list[list[Cell]] = []
    for name, value in (ratio for found in findings for ratio in found.ratios.items()):
        goal = GOALS.get(name)
        if goal is None:
            rows.append([name, value, "", "", ""])
        else:
            rows.append([name, value, goal.condition, "met" if goal.met(value) else "missed", goal.text])
    return Table("Goals", ["ratio", "reached", "goal", "", "what"], rows)


def text_table(table: Table) -> str:
    """A table for the console: the first column is flush left, all others are flush right."""
    lines = [list(table.columns), *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(cells))
        for cells in ([*zip(line, widths, strict=True)] for line in lines)
    ]
    return "\n".join([table.title, *(row.rstrip() for row in rows)])


def shown(cell: Cell) -> str:
    """A figure as text, with as many digits as mean something."""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.3f}"


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in table.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f"<table><caption>{html.escape(table.title)}</caption><tr>{head}</tr>{body}</table>"


def _cell(cell: Cell) -> str:
    marked = f" class='{cell}'" if cell in ("met", "missed") else ""
    return f"<td{marked}>{html.escape(shown(cell))}</td>"


def _svg(plot: Plot) -> str:
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for line in plot.lines:
        axes.plot(line.x, line.y, marker="o", markersize=4, label=line.label)
    if plot.limit is not None:
        axes.axhline(plot.limit, color="gray", linestyle="--", linewidth=1)
    if plot.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue().partition("<svg")[1] + drawn.getvalue().partition("<svg")[2]
