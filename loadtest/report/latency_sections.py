"""Sections about time: knees, latency against load, whole distributions, source lengths, streams."""

import statistics
from bisect import bisect_left
from collections.abc import Sequence

from loadtest.knee import MAX_P99_MS
from loadtest.percentiles import percentile
from loadtest.report.charts import Axis, Limit, Line, Range, line_chart, range_chart
from loadtest.report.findings import Findings, common_points
from loadtest.report.knees import GOAL, light
from loadtest.report.parts import Chart, Section, Table
from loadtest.report.points import Point, Setting, median_percentile
from loadtest.report.words import NOTHING, milliseconds, number, plain_rate, rate_words, share

_LEVELS = [share_ for tens in (0, 1, 2, 3) for step in range(10, 1, -1) if (share_ := step / 10 ** (tens + 1)) >= 1e-4]
"""Shares of calls, from all to one in 10,000, in which a distribution is drawn."""

_BY_LENGTH = "lengths"
"""The workload of single sentences of all lengths alike."""

_NUM_LENGTHS = 8
"""Groups of source lengths, with as many calls each."""


def knee_table(findings: Findings) -> Table:
    """The main setting's, in the order of the charts' colours: what a reader compares first."""
    rows = []
    for knee in findings.main_knees:
        own = findings.of(findings.main)[knee.model]
        easy, point = light(own), knee.point
        bleu = findings.model_bleu(knee.model)
        rows.append(
            [
                findings.labels[knee.model],
                plain_rate(knee.rate) if point else NOTHING,
                *(milliseconds(value) for value in ((point.p50, point.p95, point.p99) if point else (None,) * 3)),
                milliseconds(easy.p50 if easy else None),
                number(bleu),
                knee.words,
            ]
        )
    columns = ["architecture", "knee, calls/s", "p50 there, ms", "p95", "p99", "p50 under light load, ms", "BLEU"]
    return Table(f"The knee of each: the highest rate with {GOAL}", [*columns, "in words"], rows)


def rate_charts(findings: Findings) -> list[Chart]:
    """p99, p50 and p95 against the offered rate, in the main setting."""
    points = findings.of(findings.main)
    charts = []
    for percent in (99, 50, 95):
        lines = [_line(findings, model, own, percent) for model, own in points.items()]
        limit = Limit(MAX_P99_MS, f"{MAX_P99_MS:.0f} ms") if percent == 99 else None
        axes = Axis("calls offered a second", is_log=_is_wide(points)), Axis("milliseconds", is_log=True)
        charts.append(line_chart(f"p{percent}", f"p{percent} against the offered rate", lines, *axes, limit))
    return charts


def _line(findings: Findings, model: str, points: Sequence[Point], percent: float) -> Line:
    return Line(
        findings.labels[model],
        findings.style(model),
        [(point.rate, point.percentile(percent)) for point in points if point.is_believed],
        [(point.rate, point.percentile(percent)) for point in points if not point.is_believed],
    )


def _is_wide(points: dict[str, list[Point]]) -> bool:
    rates = [point.rate for own in points.values() for point in own]
    return bool(rates) and max(rates) > 20 * min(rates)


def rate_section(findings: Findings) -> Section:
    """All points of all settings; the main one's charts stand at the page's head."""
    rows = [
        [
            f"{findings.labels[point.case.model]}: {setting_}",
            plain_rate(point.rate),
            plain_rate(point.answered_rate),
            *(milliseconds(value) for value in (point.p50, point.p95, point.p99)),
            share(point.error_share),
            share(point.p99_spread),
            "" if point.is_believed else "not believed",
        ]
        for setting_ in findings.settings
        for own in findings.of(setting_).values()
        for point in own
    ]
    knees = [
        [f"{findings.labels[knee.model]}: {setting_}", knee.words]
        for setting_ in findings.settings
        if setting_ != findings.main
        for knee in findings.knees(setting_)
        if len(findings.of(setting_)[knee.model]) > 1
    ]
    columns = ["case", "offered/s", "answered/s", "p50, ms", "p95", "p99", "errors", "p99 apart between rounds", ""]
    tables = [Table("Knees of the other settings", ["case", "knee"], knees)] if knees else []
    return Section(
        "Latency against the offered rate",
        [
            "Calls arrive by a Poisson process, whether or not the server keeps up, and a latency counts from when its "
            "call was meant to start. Each number is the median of the rounds; what was measured again in a round "
            "counts once, as it went better. Crosses are measurements in which the load generator was too slow: they "
            "are not believed, and no knee is taken from them."
        ],
        tables=[*tables, Table("Every rate", columns, rows, is_long=True)],
    )


def distribution_section(findings: Findings) -> Section:
    """Shares of calls that took longer, down to one in 10,000, where there were as many."""
    chosen = common_points(findings.of(findings.main), highest=True)
    lines = [
        Line(findings.labels[model], findings.style(model), _slower(point.latencies)) for model, point in chosen.items()
    ]
    title = "Share of calls that took longer"
    charts = [line_chart("distribution", title, lines, Axis("milliseconds", True), Axis("share of calls", True))]
    where = "; ".join(f"{findings.labels[model]} at {rate_words(point.rate)}" for model, point in chosen.items())
    return Section(
        "The whole distribution",
        [
            "A line that falls steeply belongs to a server that treats all calls alike; a tail to the right are calls "
            "that waited. Drawn where all models hold the same rate, if there is such a rate, and no further than "
            f"there were calls: {where}."
        ],
        charts if lines else [],
    )


def _slower(rounds: list[list[float]]) -> list[tuple[float, float]]:
    fewest = min(map(len, rounds))
    return [
        (median_percentile(rounds, 100 * (1 - level)), level) for level in _LEVELS if fewest and level * fewest >= 1
    ]


def length_section(findings: Findings) -> Section | None:
    """Latency by source length under light load, where nothing waits: of greedy decoding and whole answers, in the
    workload that is made for it, or else in the one with the longest sources."""
    settings = [one for one in findings.settings if one.is_greedy and one.method == "unary" and findings.of(one)]
    chosen = max(settings, key=lambda one: (one.workload == _BY_LENGTH, _longest(findings, one)), default=None)
    if chosen is None:
        return None
    points = common_points(findings.of(chosen), highest=False)
    tokens = sorted(count for point in points.values() for record in point.rounds for count in record.source_tokens)
    if not tokens or tokens[0] == tokens[-1]:
        return None
    bounds = sorted({tokens[len(tokens) * group // _NUM_LENGTHS] for group in range(1, _NUM_LENGTHS)})
    lines = [
        Line(findings.labels[model], findings.style(model), latency_by_length(point, bounds))
        for model, point in points.items()
    ]
    axes = Axis("source tokens"), Axis("milliseconds, median", True)
    return Section(
        "Latency against source length",
        [
            f"Of {chosen.workload}, at the lowest rate ({rate_words(next(iter(points.values())).rate)}), so that "
            "hardly any call waits for another. A model without a KV cache pays for each token with all tokens before "
            "it; attention pays for each token with the whole source."
        ],
        [line_chart("lengths", "Latency against source length", lines, *axes)],
    )


def _longest(findings: Findings, setting_: Setting) -> float:
    points = [point for own in findings.of(setting_).values() for point in own]
    tokens = sorted(count for point in points for record in point.rounds for count in record.source_tokens)
    return percentile(tokens, 95) or 0.0


def latency_by_length(point: Point, bounds: Sequence[int]) -> list[tuple[float, float]]:
    """Mean source tokens and median latency of each group of calls; a group begins at each bound. Medians over rounds,
    as everywhere; groups without calls are left out."""
    groups: list[list[list[float]]] = [[] for _ in range(len(bounds) + 1)]
    lengths: list[list[int]] = [[] for _ in groups]
    for record in point.rounds:
        by_group: dict[int, list[float]] = {}
        for count, latency in zip(record.source_tokens, record.latencies_ms, strict=True):
            group = bisect_left(bounds, count + 1)
            by_group.setdefault(group, []).append(latency)
            lengths[group].append(count)
        for group, latencies in by_group.items():
            groups[group].append(sorted(latencies))
    return [
        (statistics.mean(counts), median_percentile(rounds, 50))
        for counts, rounds in zip(lengths, groups, strict=True)
        if counts
    ]


def stream_section(findings: Findings) -> Section | None:
    """How soon a stream shows its first text, how long it pauses, and when it is whole."""
    settings = [one for one in findings.settings if one.method == "stream"]
    chosen = [(one, common_points(findings.of(one), highest=False)) for one in settings]
    ranges, rows = [], []
    for setting_, points in chosen:
        for model, point in points.items():
            name = findings.labels[model] if len(settings) == 1 else f"{findings.labels[model]}, {setting_}"
            kinds = {
                "first text": [sorted(record.first_text_ms) for record in point.rounds],
                "between texts": [sorted(record.between_texts_ms) for record in point.rounds],
                "whole": point.latencies,
            }
            for kind, rounds in kinds.items():
                if all(rounds):
                    values = [median_percentile(rounds, percent) for percent in (50, 95, 99)]
                    ranges.append(Range(f"{name}: {kind}", findings.style(model), *values))
                    rows.append([f"{name}: {kind}", plain_rate(point.rate), *map(milliseconds, values)])
    if not rows:
        return None
    return Section(
        "Streams: first text, and between texts",
        [
            "What a reader of a stream waits for: the first text, the pauses between two messages that bring text, and "
            "the whole. At the lowest rate that all were measured at; from p50 (marker) over p95 to p99 (strokes)."
        ],
        [range_chart("streams", "Streams: first text, between texts, whole", ranges, "milliseconds")],
        [Table("Streams", ["case", "offered/s", "p50, ms", "p95", "p99"], rows)],
    )
