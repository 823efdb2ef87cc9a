"""A page of ours beside Locust's: /latency, the whole distribution of the latencies, as far as the tail goes.

Locust's own charts show two percentiles over time, and none of the tail.
"""

import io
import math
from collections.abc import Mapping
from typing import Any

from flask import Response
from locust.env import Environment
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

_NINES = (0.5, 0.9, 0.99, 0.999, 0.9999)


def add_page(environment: Environment) -> None:
    """Where Locust has a page."""
    if environment.web_ui and environment.web_ui.app:
        environment.web_ui.app.add_url_rule("/latency", "latency", lambda: show(environment))


def show(environment: Environment) -> Response:
    entries = {f"{entry.name} ({entry.method})": entry.response_times for entry in environment.stats.entries.values()}
    return Response(draw(entries), mimetype="image/svg+xml", headers={"Refresh": "5", "Cache-Control": "no-store"})


def draw(entries: Mapping[str, Mapping[Any, int]]) -> bytes:
    """An SVG with a line for each entry. `entries`: by name, how many calls took each number of milliseconds."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for index, (name, counts) in enumerate(entries.items()):
        places, latencies = tail(counts)
        axes.plot(places, latencies, styles[index % len(styles)], label=f"{name}, {sum(counts.values())} calls")
    axes.set_xticks([_place(share) for share in _NINES], [f"{share * 100:g} %" for share in _NINES])
    axes.set_xlabel("share of calls that took no longer")
    axes.set_ylabel("milliseconds, from when a call was meant to start")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.3)
    if entries:
        axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue()


def tail(counts: Mapping[Any, int]) -> tuple[list[float], list[float]]:
    """Where each latency lies on an axis on which every further nine has the same width, and the latencies."""
    total, below = sum(counts.values()), 0
    places, latencies = [], []
    for latency in sorted(counts):
        places.append(_place(below / total))
        latencies.append(max(float(latency), 0.1))
        below += counts[latency]
    return places, latencies


def _place(share: float) -> float:
    return -math.log10(1 - share)
