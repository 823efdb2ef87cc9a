"""What was measured, as a table. Knows neither gRPC nor Locust."""

import math
from collections.abc import Sequence
from pathlib import Path

from loadtest.records import Record

PERCENTILES = (50, 90, 95, 99)


def write_report(records: Sequence[Record], folder: Path) -> None:
    (folder / "report.txt").write_text(table(records) + "\n", encoding="utf-8")


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank)."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def table(records: Sequence[Record]) -> str:
    """A line for each record that is to be believed."""
    rows = [["driven", "round", "offered", *(f"p{percent} ms" for percent in PERCENTILES), "answered", "failed"]]
    for record in records:
        if not record.saturated:
            offered = f"{record.rate:g}/s" if record.rate else f"{record.users} users"
            latencies = [f"{record.percentile(percent):.1f}" for percent in PERCENTILES]
            counts = [str(len(record.latencies_ms)), str(sum(record.errors.values()))]
            rows.append([record.case.name, str(record.round), offered, *latencies, *counts])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)
