"""What was measured, as numbers, a table and a plot. Knows neither gRPC nor Locust."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Round:
    """One model, driven for some seconds."""

    seconds: float
    """Time from the end of the warm-up to the end of the measurement; only calls that end in it are counted."""

    latencies: list[float]
    """Milliseconds, one for each call that succeeded."""

    output_tokens: int
    """Tokens that the calls which succeeded returned."""

    errors: list[str]
    """A message for each call that failed, whenever it did."""

    client_cpu: float
    """Share of one core that the load generator used."""


@dataclass(frozen=True)
class Result:
    """All rounds of one model, or of one model with certain options."""

    name: str
    requests: int
    failures: int
    """Calls that failed, those of the warm-up and after the end included."""
    latency_ms: dict[str, float | None]
    """Milliseconds by percentile, such as "p95", over the calls of all rounds; None if no call succeeded."""

    requests_per_second: float
    requests_per_second_by_round: list[float]
    output_tokens_per_second: float
    client_cpu: float
    errors: list[str]
    """The different errors, each once."""


def merge(name: str, rounds: Sequence[Round]) -> Result:
    seconds = sum(measured.seconds for measured in rounds)
    latencies = sorted(latency for measured in rounds for latency in measured.latencies)
    errors = [error for measured in rounds for error in measured.errors]
    return Result(
        name=name,
        requests=len(latencies),
        failures=len(errors),
        latency_ms={f"p{percent}": percentile(latencies, percent) for percent in PERCENTILES},
        requests_per_second=len(latencies) / seconds,
        requests_per_second_by_round=[len(measured.latencies) / measured.seconds for measured in rounds],
        output_tokens_per_second=sum(measured.output_tokens for measured in rounds) / seconds,
        client_cpu=sum(measured.client_cpu * measured.seconds for measured in rounds) / seconds,
        errors=sorted(set(errors)),
    )


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank)."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def table(results: Sequence[Result]) -> str:
    header = [
        "driven",
        *(f"p{percent} ms" for percent in PERCENTILES),
        "req/s",
        "by round",
        "tokens/s",
        "calls",
        "failed",
        "client CPU",
    ]
    rows = [header]
    for result in results:
        rows.append(
            [
                result.name,
                *("-" if latency is None else f"{latency:.1f}" for latency in result.latency_ms.values()),
                f"{result.requests_per_second:.1f}",
                " ".join(f"{rate:.1f}" for rate in result.requests_per_second_by_round),
                f"{result.output_tokens_per_second:.0f}",
                str(result.requests),
                str(result.failures),
                f"{result.client_cpu:.0%}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def plot(results: Sequence[Result], title: str, path: Path) -> None:
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    figure.suptitle(title)
    latency, requests, tokens = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    names = [result.name for result in results]
    width = 0.8 / len(names)
    for index, result in enumerate(results):
        offsets = [position + width * (index - (len(names) - 1) / 2) for position in range(len(PERCENTILES))]
        latency.bar(offsets, [value or 0 for value in result.latency_ms.values()], width, label=result.name)
    latency.set_xticks(range(len(PERCENTILES)), [f"p{percent}" for percent in PERCENTILES])
    latency.set_title("latency, ms")
    latency.legend()
    colors = [f"C{index}" for index in range(len(names))]  # as in the legend
    requests.bar(names, [result.requests_per_second for result in results], color=colors)
    requests.set_title("requests/s")
    requests.set_xticks([])
    tokens.bar(names, [result.output_tokens_per_second for result in results], color=colors)
    tokens.set_title("output tokens/s")
    tokens.set_xticks([])
    figure.savefig(path, dpi=120)
