"""Sections about how far the numbers can be believed: the server's view, the generator, errors, the machine."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable

from loadtest.report.charts import Axis, Line, line_chart
from loadtest.report.findings import Findings
from loadtest.report.parts import Section, Table
from loadtest.report.points import Point, setting, spread
from loadtest.report.words import NOTHING, listed, milliseconds, number, share

MAX_DIFFERENCE = 0.1
"""Of the client's percentile from the server's, as a share of the server's, that is not flagged."""

_QUIET = 0.05
_NOISY = 0.15
"""Spread of the calibration loop up to which a machine is called quiet, and from which it is called noisy."""


def measurement(findings: Findings, point: Point) -> str:
    """The name of a point's row."""
    load = f"{point.rate:g}/s" if point.load == "open" else f"{point.users} users"
    return f"{findings.labels[point.case.model]}: {setting(point.case)}, {load}"


def difference(client: float, server: float | None) -> float | None:
    """By what share of the server's number the client's is higher; None where either is missing."""
    return client / server - 1 if server and math.isfinite(client) and math.isfinite(server) else None


def is_flagged(differences: Iterable[float | None]) -> bool:
    return any(one is not None and abs(one) > MAX_DIFFERENCE for one in differences)


def differences(point: Point) -> tuple[float | None, float | None]:
    """Of p50 and p99."""
    return (
        difference(point.p50, point.server(lambda server: server.p50_ms)),
        difference(point.p99, point.server(lambda server: server.p99_ms)),
    )


def server_section(findings: Findings) -> Section | None:
    compared = [point for point in findings.points if any(one is not None for one in differences(point))]
    if not compared:
        return None
    flagged = [point for point in compared if is_flagged(differences(point))]
    rows = []
    for point in compared:
        apart = differences(point)
        rows.append(
            [
                measurement(findings, point),
                milliseconds(point.p50),
                milliseconds(point.server(lambda server: server.p50_ms)),
                _signed(apart[0]),
                milliseconds(point.p99),
                milliseconds(point.server(lambda server: server.p99_ms)),
                _signed(apart[1]),
                "differs" if is_flagged(apart) else "",
            ]
        )
    columns = ["case", "p50, client", "server", "apart", "p99, client", "server", "apart", "over 10 %"]
    return Section(
        "The client's numbers against the server's",
        [
            f"**{len(flagged)} of {len(compared)} measurements differ by more than {MAX_DIFFERENCE:.0%}** in p50 or "
            "p99, and are marked. The client's time contains what the server's does not: the way through gRPC and the "
            "network, and the wait before the server begins a call: in the generator, in the connection, and for the "
            "server's event loop. So the client's is higher by a millisecond or so, which is much of a short call, and "
            "by more where the server is overloaded. The server's percentiles are interpolated within its histogram's "
            "buckets, and count the warm-up, which makes up for some per cent in either direction."
        ],
        tables=[Table("Milliseconds as the client and the server have them", columns, rows, is_long=True)],
    )


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.0%}"


def error_section(findings: Findings) -> Section:
    """Calls that failed, by status code, and measurements that are not believed."""
    rows = []
    for point in findings.points:
        errors: Counter[str] = Counter()
        for record in point.rounds:
            errors.update(record.errors)
        calls = errors.total() + sum(len(record.latencies_ms) for record in point.rounds)
        for code, number_ in errors.most_common():
            name = measurement(findings, point)
            rows.append([name, code, str(number_), share(number_ / calls)])
    if not rows:
        return Section("Errors", ["Every call of every measurement succeeded."])
    return Section(
        "Errors",
        ["Calls that failed, by status code."],
        tables=[Table("Errors", ["case", "code", "calls", "share"], rows)],
    )


def doubt_section(findings: Findings) -> Section:
    rows = [
        [
            f"{measurement(findings, point)}, round {record.round + 1}",
            record.saturated,
            milliseconds(record.late_ms),
            number(record.generator_cpu),
        ]
        for point in findings.points
        for record in point.doubted
    ]
    if not rows:
        return Section("Not believed", ["The load generator kept up in every measurement."])
    return Section(
        "Not believed",
        [
            "In these measurements the load generator was too slow, and what they show is not the server. No round of "
            "them counts; a rate of whose rounds half are here has no numbers of its own, and is shown as a cross."
        ],
        tables=[Table("Not believed", ["measurement", "why", "late, p99, ms", "generator, cores"], rows)],
    )


def calibration_spread(findings: Findings) -> float:
    """How far the calibration loop's times are apart in the middle nine tenths of all measurements."""
    times = sorted(record.machine.calibration_ms for record in findings.records)
    cut = len(times) // 20
    return spread(times[cut : len(times) - cut])


def noise_words(findings: Findings) -> str:
    apart = calibration_spread(findings)
    name = "quiet" if apart <= _QUIET else "noisy" if apart >= _NOISY else "fairly quiet"
    meaning = "" if name == "quiet" else f" Differences between architectures of less than {apart:.0%} mean little."
    meaning += " Measure again where nobody else computes." if name == "noisy" else ""
    took = f"a fixed piece of work beside each measurement took times {apart:.0%} apart"
    return f"The machine was **{name}**: {took}.{meaning}"


def machine_section(findings: Findings) -> Section:
    records = sorted(findings.records, key=lambda record: record.started)
    machines = dict.fromkeys((record.machine.processor, record.machine.cores) for record in records)
    commits = list(dict.fromkeys(record.machine.commit or "none" for record in records))
    first, last = records[0], records[-1]
    median = statistics.median(record.machine.calibration_ms for record in records)
    begun = time.strftime("%Y-%m-%d %H:%M", time.gmtime(first.started))
    facts = [
        ["processor", listed([f"{processor}, {cores} cores" for processor, cores in machines])],
        ["commit", listed(commits)],
        ["begun", f"{begun} UTC"],
        ["length", f"{(last.started + last.seconds - first.started) / 60:.0f} minutes, {len(records)} measurements"],
        ["rounds", str(len({record.round for record in records}))],
        ["seconds a measurement", listed(sorted({f"{record.seconds:.0f}" for record in records}, key=float))],
        ["workloads", listed(sorted({record.case.workload for record in records}))],
        ["calibration loop, median", f"{milliseconds(median)} ms"],
        ["calibration loop, middle 90 % apart", share(calibration_spread(findings))],
    ]
    noise = [
        [
            measurement(findings, point),
            f"{point.calibration_ms / median:.2f}",
            share(point.calibration_spread),
            share(point.p99_spread),
        ]
        for point in findings.points
    ]
    start = records[0].started
    speed = [((record.started - start) / 60, record.machine.calibration_ms / median) for record in records]
    columns = ["measurement", "calibration, of the median", "apart between rounds", "p99 apart between rounds"]
    return Section(
        "The machine, and how noisy it was",
        [noise_words(findings)],
        [
            line_chart(
                "calibration",
                "Calibration loop over the run",
                [Line("calibration loop", 0, speed)],
                Axis("minutes"),
                Axis("time, of the median", begins_at_zero=False),
            )
        ],
        [
            Table("Machine and settings", ["", ""], facts),
            Table("Noise, beside each measurement", columns, noise, is_long=True),
        ],
    )
