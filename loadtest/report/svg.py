"""Figures as SVG that takes the colours of the page around it.

A figure is drawn in colours that stand for others: text and axes become `currentColor`, and a series the variable
`--series-0` and following, which the page sets for light, dark and print. A file beside a Markdown page brings them
along.
"""

import io
import re
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#010101"
NUM_COLORS = 8

LIGHT = ("#0059a8", "#b84300", "#007355", "#8f2a86", "#7a5c00", "#c01540", "#3d5a6c", "#4b3fbf")
DARK = ("#6cb6ff", "#ff9f5a", "#4ed3a5", "#f09be8", "#e3c44f", "#ff8ea5", "#a9c4d4", "#b3aaff")
"""Colours of series on white and on near black, told apart in both by people who see few colours; whoever sees none has
markers and dashes."""

_COLOR = re.compile(r"#(0202[0-9a-f]{2}|010101)")
_ID = re.compile(r'(\bid="|href="#|url\(#)')

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found and coloured
    "font.family": "sans-serif",
    "font.size": 11.0,
    "axes.titlesize": 11.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
}


def series_color(style: int) -> str:
    """The colour that stands for that of a series."""
    return f"#0202{style % NUM_COLORS:02x}"


def variables(colors: tuple[str, ...]) -> str:
    """The CSS variables of the series."""
    return "; ".join(f"--series-{index}: {color}" for index, color in enumerate(colors))


def as_svg(figure: Figure, name: str, title: str) -> str:
    """An `<svg>` element, the same bytes for the same figure. Ids begin with `name`, so that a page may have many."""
    drawn = io.StringIO()
    with rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    element = "<svg" + drawn.getvalue().partition("<svg")[2].rstrip()
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = _ID.sub(rf"\g<1>{name}-", element)
    element = _COLOR.sub(_of_the_page, element)
    width = re.search(r'<svg[^>]* width="([0-9.]+)pt"', element)
    size = f'style="max-width: {float(width[1]) * 4 / 3:.0f}px"' if width else ""
    element = re.sub(r'(<svg[^>]*?) height="[0-9.]+pt"', r"\1", element, count=1)
    return element.replace("<svg", f'<svg role="img" aria-label="{title}" {size}', 1)


def standalone(element: str) -> str:
    """A file of the element, with colours for light and dark."""
    style = (
        f"<style>svg {{ color: #222; {variables(LIGHT)} }} @media (prefers-color-scheme: dark) "
        f"{{ svg {{ color: #ddd; {variables(DARK)} }} }}</style>"
    )
    head, tag_end, rest = element.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{tag_end}{style}{rest}\n'


def _of_the_page(match: re.Match[str]) -> str:
    color = match[0]
    return "currentColor" if color == INK else f"var(--series-{int(color[-2:], 16)})"
