"""The report's numbers for other programs: every point, every round, the knees, the distributions."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from loadtest.records import Record
from loadtest.report.findings import Findings
from loadtest.report.points import Point, setting
from loadtest.report.trust_sections import differences, is_flagged

_PERCENTS = (1, *range(5, 100, 5), 99, 99.5, 99.9, 99.95, 99.99)

_CASE = ("case", "model", "architecture", "workload", "method", "decoding")
_LOAD = ("load", "rate", "users")


def write_csv_files(findings: Findings, folder: Path) -> None:
    points = findings.points
    _write(
        folder / "points.csv",
        (
            *(*_CASE, *_LOAD, "believed", "rounds", "answered_rate", "p50_ms", "p95_ms", "p99_ms", "p99_spread"),
            *("error_share", "server_p50_ms", "server_p99_ms", "server_differs", "rows_per_step", "step_ms"),
            *("padding_share", "engine_cores", "serving_cores", "calibration_ms", "calibration_spread", "bleu"),
        ),
        (_point(findings, point) for point in points),
    )
    _write(
        folder / "rounds.csv",
        (*_CASE, *_LOAD, "round", "started", "seconds", "calls", "p50_ms", "p95_ms", "p99_ms", "error_share", "late_ms",
         "generator_cpu", "saturated", "calibration_ms"),
        map(_round, findings.records),
    )  # fmt: skip
    _write(
        folder / "knees.csv",
        ("workload", "method", "decoding", "model", "knee", "broken_at"),
        ((*one, knee.model, knee.rate, knee.broken) for one in findings.settings for knee in findings.knees(one)),
    )
    _write(
        folder / "distributions.csv",
        (*_CASE, *_LOAD, "percent", "milliseconds"),
        ((*_key(point), percent, point.percentile(percent)) for point in points for percent in _PERCENTS),
    )
    errors = (
        (*_key(point), record.round, code, number)
        for point in points
        for record in point.rounds
        for code, number in sorted(record.errors.items())
    )
    _write(folder / "errors.csv", (*_CASE, *_LOAD, "round", "code", "calls"), errors)


def _point(findings: Findings, point: Point) -> Sequence[object]:
    return (
        *(*_key(point), point.is_believed, len(point.rounds), point.answered_rate, point.p50, point.p95, point.p99),
        *(point.p99_spread, point.error_share, point.server(lambda server: server.p50_ms)),
        *(point.server(lambda server: server.p99_ms), is_flagged(differences(point))),
        *(point.server(lambda server: server.rows_per_step), point.server(lambda server: server.step_ms)),
        *(point.server(lambda server: server.padding_share), point.server(lambda server: server.engine_cores)),
        *(point.server(lambda server: server.serving_cores), point.calibration_ms, point.calibration_spread),
        findings.bleu(point),
    )


def _round(record: Record) -> Sequence[object]:
    percentiles = [record.percentile(percent) for percent in (50, 95, 99)]
    own = (record.round, record.started, record.seconds, len(record.latencies_ms), *percentiles)
    generator = (record.late_ms, record.generator_cpu, record.saturated)
    return (*_key(record), *own, record.error_share, *generator, record.machine.calibration_ms)


def _key(one: Point | Record) -> tuple[object, ...]:
    case = one.case
    return (case.name, case.model, case.architecture, *setting(case), one.load, one.rate, one.users)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) and abs(value) < 1e6 else value
