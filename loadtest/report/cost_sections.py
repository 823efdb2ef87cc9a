"""Sections about what is paid: beams, quality, the engine's work and the processor's time, closed loops."""

import math
from collections.abc import Callable
from typing import NamedTuple

from loadtest.records import ServerSide
from loadtest.report.charts import Axis, Line, Range, Spot, line_chart, range_chart, spot_chart
from loadtest.report.decision import beam_pairs
from loadtest.report.findings import Findings, common_points
from loadtest.report.parts import Chart, Section, Table
from loadtest.report.points import Point
from loadtest.report.words import NOTHING, milliseconds, number, plain_rate, rate_words, share


class _ServerChart(NamedTuple):
    name: str
    title: str
    y_label: str
    value: Callable[[ServerSide], float | None]


_SERVER_CHARTS = (
    _ServerChart("rows", "Rows in a step", "rows, mean", lambda server: server.rows_per_step),
    _ServerChart("padding", "Padding beside source tokens", "share of positions", lambda server: server.padding_share),
    _ServerChart("engine-cores", "Processor time of the engine", "cores", lambda server: server.engine_cores),
    _ServerChart(
        "serving-cores", "Processor time of the serving process", "cores", lambda server: server.serving_cores
    ),
)


def beam_section(findings: Findings) -> Section | None:
    ranges: list[Range] = []
    rows: list[list[str]] = []
    for greedy, beam in beam_pairs(findings):
        greedy_knees = {knee.model: knee for knee in findings.knees(greedy)}
        beam_knees = {knee.model: knee for knee in findings.knees(beam)}
        for model in beam_knees:
            own = {one: findings.of(one).get(model, []) for one in (greedy, beam)}
            pair = common_points({str(one): points for one, points in own.items()}, highest=False)
            if len(pair) < 2:
                continue
            for one, knee in ((greedy, greedy_knees[model]), (beam, beam_knees[model])):
                point = pair[str(one)]
                words = knee.words if len(own[one]) > 1 else NOTHING
                name = f"{findings.labels[model]}, {one.decoding_words}"
                if math.isfinite(point.p99):
                    ranges.append(Range(name, findings.style(model), point.p50, point.p95, point.p99))
                numbers = [plain_rate(point.rate), *map(milliseconds, (point.p50, point.p99))]
                rows.append([f"{name} ({one.workload}, {one.method})", *numbers, number(findings.bleu(point)), words])
    if not rows:
        return None
    return Section(
        "What a beam costs",
        ["Greedy decoding and beams of the same model at the same rate, the lowest that both were measured at."],
        [range_chart("beams", "Greedy decoding and beams", ranges, "milliseconds, p50 to p99")] if ranges else [],
        [Table("Beams", ["case", "offered/s", "p50, ms", "p99", "BLEU", "knee"], rows)],
    )


def quality_section(findings: Findings) -> Section | None:
    """BLEU beside latency; left out where no BLEU is known."""
    spots: list[Spot] = []
    rates: set[float] = set()
    for setting_ in findings.settings:
        if findings.main is None or setting_[:2] != findings.main[:2]:
            continue
        for model, point in common_points(findings.of(setting_), highest=False).items():
            bleu = findings.bleu(point)
            if bleu is not None and math.isfinite(point.p50):
                name = findings.labels[model] if setting_.is_greedy else setting_.decoding_words
                spots.append(Spot(name, findings.style(model), point.p50, bleu, setting_.is_greedy))
                rates.add(point.rate)
    if not spots or findings.quality is None:
        return None
    where = " or ".join(map(rate_words, sorted(rates)))
    return Section(
        "What quality costs",
        [
            f"BLEU of {findings.quality.test_set}, as {findings.quality.source} has it, beside the median latency at "
            f"{where}."
        ],
        [spot_chart("quality", "BLEU beside latency", spots, Axis("p50, milliseconds", True), Axis("BLEU"))],
    )


def engine_section(findings: Findings) -> Section | None:
    """What the server's own metrics say of its work, against the offered rate."""
    points = findings.of(findings.main)
    charts: list[Chart] = []
    for chart in _SERVER_CHARTS:
        lines = [
            Line(
                findings.labels[model],
                findings.style(model),
                _server_values(chart, [point for point in own if point.is_believed]),
                _server_values(chart, [point for point in own if not point.is_believed]),
            )
            for model, own in points.items()
        ]
        if any(line.points for line in lines):
            axes = Axis("calls offered a second"), Axis(chart.y_label)
            charts.append(line_chart(chart.name, chart.title, lines, *axes))
    if not charts:
        return None
    columns = ["case", "offered/s", "rows a step", "step, ms", "padding", "engine, cores", "serving, cores"]
    rows = [
        [
            findings.labels[model],
            plain_rate(point.rate),
            number(point.server(lambda server: server.rows_per_step)),
            milliseconds(point.server(lambda server: server.step_ms)),
            share(point.server(lambda server: server.padding_share)),
            number(point.server(lambda server: server.engine_cores)),
            number(point.server(lambda server: server.serving_cores)),
        ]
        for model, own in points.items()
        for point in own
    ]
    return Section(
        "The engine's work",
        [
            "Rows that one decoder step advances, padding in the encoder's runs, and the processor time of the process "
            "that decodes and of the one that serves gRPC, from the server's own metrics."
        ],
        charts,
        [Table("The engine's work", columns, rows, is_long=True)],
    )


def _server_values(chart: _ServerChart, points: list[Point]) -> list[tuple[float, float]]:
    found = [(point.rate, point.server(chart.value)) for point in points]
    return [(rate, value) for rate, value in found if value is not None]


def closed_section(findings: Findings) -> Section | None:
    """A fixed number of users, each of whom waits for an answer before the next call."""
    rows: list[list[str]] = []
    charts: list[Chart] = []
    for setting_ in findings.settings:
        closed = findings.of(setting_, "closed")
        rows += [
            [
                f"{findings.labels[model]}: {setting_}",
                str(point.users),
                plain_rate(point.answered_rate),
                *(milliseconds(value) for value in (point.p50, point.p95, point.p99)),
                share(point.error_share),
                "" if point.is_believed else "not believed",
            ]
            for model, own in closed.items()
            for point in own
        ]
        if setting_ == findings.main and any(len(own) > 1 for own in closed.values()):
            lines = [
                Line(
                    findings.labels[model],
                    findings.style(model),
                    [(point.users, point.answered_rate) for point in own if point.is_believed],
                    [(point.users, point.answered_rate) for point in own if not point.is_believed],
                )
                for model, own in closed.items()
            ]
            charts = [line_chart("closed", "Answers by users", lines, Axis("users"), Axis("answers a second"))]
    if not rows:
        return None
    columns = ["case", "users", "answered/s", "p50, ms", "p95", "p99", "errors", ""]
    return Section(
        "A fixed number of users",
        [
            "Each user waits for an answer before the next call: so many calls are in flight, and never more. "
            "Latencies of such a loop are no promise for arrivals that do not wait."
        ],
        charts,
        [Table("A fixed number of users", columns, rows, is_long=len(rows) > 12)],
    )
