"""Measurements of several rounds become points: one case under one load.

A point's numbers are medians over its rounds, so that one slow minute of the machine does not decide. What was measured
again in the same round counts once, as it went better. Rounds in which the load generator was too slow do not count;
where those are half of all, the point is not believed.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from loadtest.knee import MAX_ERROR_SHARE, MAX_P99_MS, holds
from loadtest.percentiles import percentile
from loadtest.records import Case, Load, Method, Record, ServerSide


class Setting(NamedTuple):
    """All that two cases have to share for their models to be compared."""

    workload: str
    method: Method
    decoding: str
    """Decoding options in JSON, keys sorted."""

    @property
    def is_greedy(self) -> bool:
        return json.loads(self.decoding).get("beam_size", 1) in (0, 1)

    def __str__(self) -> str:
        """In words, such as `single, unary, beam size 4`."""
        return f"{self.workload}, {self.method}, {self.decoding_words}"

    @property
    def decoding_words(self) -> str:
        options = json.loads(self.decoding)
        words = [f"{name.replace('_', ' ')} {value}" for name, value in options.items()]
        return ", ".join(words) or "greedy"


def setting(case: Case) -> Setting:
    return Setting(case.workload, case.method, json.dumps(case.decoding, sort_keys=True))


@dataclass(frozen=True)
class Point:
    """One case under one load, in all rounds."""

    case: Case
    load: Load
    rate: float
    """Calls a second that were offered; 0 in a closed loop."""
    users: int
    """Calls in flight of a closed loop; 0 in an open one."""
    believed: tuple[Record, ...]
    doubted: tuple[Record, ...]
    """Rounds in which the generator was too slow."""

    @property
    def is_believed(self) -> bool:
        return len(self.believed) > len(self.doubted)

    @property
    def rounds(self) -> tuple[Record, ...]:
        """The rounds that its numbers are of: of a point that is not believed, all, to be shown as such."""
        return self.believed if self.is_believed else self.believed + self.doubted

    @cached_property
    def latencies(self) -> list[list[float]]:
        """Milliseconds of the calls that succeeded, ascending, by round."""
        return [sorted(record.latencies_ms) for record in self.rounds]

    def percentile(self, percent: float) -> float:
        """Milliseconds, the median over rounds; infinite where no call succeeded in half of the rounds."""
        return median_percentile(self.latencies, percent)

    @cached_property
    def p50(self) -> float:
        return self.percentile(50)

    @cached_property
    def p95(self) -> float:
        return self.percentile(95)

    @cached_property
    def p99(self) -> float:
        return self.percentile(99)

    @property
    def error_share(self) -> float:
        """0 to 1, of the calls of all rounds together: a median would hide the errors of a single round."""
        failed = sum(sum(record.errors.values()) for record in self.rounds)
        succeeded = sum(len(record.latencies_ms) for record in self.rounds)
        return failed / (failed + succeeded) if failed or succeeded else 1.0

    @property
    def holds(self) -> bool:
        """Whether the server kept up with it."""
        return self.p99 < MAX_P99_MS and self.error_share < MAX_ERROR_SHARE

    @property
    def answered_rate(self) -> float:
        """Calls a second that succeeded."""
        return statistics.median(len(record.latencies_ms) / record.seconds for record in self.rounds)

    @property
    def calibration_ms(self) -> float:
        return statistics.median(record.machine.calibration_ms for record in self.rounds)

    @property
    def calibration_spread(self) -> float | None:
        """How far the calibration loop's times beside its rounds are apart, as a share of their median; None of one."""
        return spread(record.machine.calibration_ms for record in self.rounds) if len(self.rounds) > 1 else None

    @property
    def p99_spread(self) -> float | None:
        """How far its rounds' p99 are apart, as a share of their median; None of one."""
        return spread(record.percentile(99) for record in self.rounds) if len(self.rounds) > 1 else None

    def server(self, value: Callable[[ServerSide], float | None]) -> float | None:
        """A number of the server's side, the median of the rounds that have it."""
        values = [found for record in self.rounds if (found := value(record.server)) is not None]
        return statistics.median(values) if values else None


def median_percentile(rounds: Iterable[Sequence[float]], percent: float) -> float:
    """The median over rounds of a percentile of ascending values; a round without values counts as infinite."""
    values = [percentile(values, percent) for values in rounds]
    return statistics.median(math.inf if value is None else value for value in values) if values else math.inf


def spread(values: Iterable[float]) -> float:
    """The distance between the lowest and the highest finite value, as a share of their median; 0 without any."""
    finite = [value for value in values if math.isfinite(value)]
    middle = statistics.median(finite) if finite else 0.0
    return (max(finite) - min(finite)) / middle if middle else 0.0


def combine(records: Sequence[Record]) -> list[Point]:
    """The points of a run: cases as they first appear, each from the lowest load to the highest."""
    groups: dict[tuple[str, Load, float, int], dict[int, Record]] = {}
    for record in records:
        group = groups.setdefault((record.case.name, record.load, record.rate, record.users), {})
        group[record.round] = min(group.get(record.round, record), record, key=_badness)
    order = {name: index for index, name in enumerate(dict.fromkeys(record.case.name for record in records))}
    points = []
    for key in sorted(groups, key=lambda key: (order[key[0]], key[1:])):
        measured = list(groups[key].values())
        believed = tuple(record for record in measured if not record.saturated)
        doubted = tuple(record for record in measured if record.saturated)
        points.append(Point(measured[0].case, measured[0].load, measured[0].rate, measured[0].users, believed, doubted))
    return points


def _badness(record: Record) -> tuple[bool, bool, float]:
    return bool(record.saturated), not holds(record), record.percentile(99)


def labels(points: Sequence[Point]) -> dict[str, str]:
    """A short name for each model, by its name: its architecture in words, or the name where models share that."""
    architectures = {point.case.model: point.case.architecture for point in points}
    shared = list(architectures.values())
    return {
        model: model
        if not architecture or shared.count(architecture) > 1
        else architecture.replace("_", " ").replace("-", " ")
        for model, architecture in architectures.items()
    }


def main_setting(points: Sequence[Point]) -> Setting | None:
    """The setting that architectures are compared in first: of greedy decoding and whole answers if there is one, then
    the one that most models were driven in at given rates, and at most rates."""
    settings = list(dict.fromkeys(setting(point.case) for point in points))

    def rank(one: Setting) -> tuple[bool, bool, int, int]:
        offered = [point for point in points if setting(point.case) == one and point.load == "open"]
        return one.is_greedy, one.method == "unary", len({point.case.model for point in offered}), len(offered)

    return max(settings, key=rank, default=None)
