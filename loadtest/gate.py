"""Has a model become slower? Compares a run of load tests with a stored one, on whatever machine, however busy.

    python -m loadtest.gate BASELINE RECORDS           exits with 0 if nothing is slower, 1 if something is, 2 if the
                                                       run cannot tell
    python -m loadtest.gate --write BASELINE RECORDS   stores a run to compare others with

No absolute time is compared. A case, which is a model with its decoding and workload, is slower if it has lost against
the other models that were driven in the same way, and against the calibration loop that was timed beside each
measurement. Where all models have lost against the calibration loop, all are slower. On another processor than the
stored run's, whose loop means nothing here, the models are compared with each other alone.

What is compared is what a step costs in processor time for each output token, what it takes, and what a call takes;
each by medians over all rounds and loads. How far the rounds of one measurement are apart says how far such a median
may be trusted. A measure that cannot be is left out, as times on a busy machine often are; processor time is changed
less by who else uses it. Where a case has no measure left, the run cannot tell, and needs more rounds.
"""

import argparse
import itertools
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadtest.records import read_records
from loadtest.stored_run import MEASURES, Run, Sample, read_run, take, write_run

SLOWER = math.log(1.09)
"""Loss against other models, as a logarithm, from which a case is slower."""

ALL_SLOWER = math.log(1.2)
"""Loss of all models against the calibration loop from which all are. The loop feels other users of the machine less
than a server does."""

BETWEEN_STARTS = 0.01
"""Standard deviation of one model's cost between two starts of the same server, as a share: where its memory lies."""

MAX_ERROR = 0.025
"""Standard error of a loss up to which it is judged: less than a third of `SLOWER`, so that unchanged code hardly ever
fails, and a step that takes a fifth longer hardly ever passes."""

_MEDIAN_ERROR = 1.2533
"""Standard error of the median of many values against that of their mean."""

_DEVIATION = 1.4826
"""Standard deviation against the median of absolute values, of a normal distribution."""


class Loss(NamedTuple):
    """How much a case's measure has grown, as logarithms of ratios."""

    case: str
    setting: str
    measure: str
    against_others: float | None
    """None where no other model was driven in this way."""
    against_calibration: float | None
    """None on another processor."""
    error: float
    """Standard error of the loss against others."""

    @property
    def is_judged(self) -> bool:
        return self.error <= MAX_ERROR

    @property
    def is_slower(self) -> bool:
        lost = self.against_calibration is None or self.against_calibration > 0  # else the others have become faster
        return self.is_judged and self.against_others is not None and self.against_others > SLOWER and lost


@dataclass(frozen=True)
class Verdict:
    losses: list[Loss]
    slower: list[str]
    """What has become slower, a line each."""
    unjudged: list[str]
    """Cases of which no measure can be trusted."""

    @property
    def exit_status(self) -> int:
        return 1 if self.slower else 2 if self.unjudged or not self.losses else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.gate", description="Has a model become slower?")
    parser.add_argument("baseline", type=Path, help="the stored run, such as loadtest/baseline.json")
    parser.add_argument("records", type=Path, help="of the run, as `python -m loadtest` writes them")
    parser.add_argument("--write", action="store_true", help="store the run as the baseline")
    arguments = parser.parse_args()
    try:
        run = take(read_records(arguments.records))
        if arguments.write:
            write_run(run, arguments.baseline)
            sys.exit()
        verdict = compare(read_run(arguments.baseline), run)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(table(verdict))
    sys.exit(verdict.exit_status)


def compare(baseline: Run, run: Run) -> Verdict:
    is_same_processor = baseline.processor == run.processor
    losses = [
        loss
        for measure in MEASURES
        for loss in _losses(
            _logarithms(baseline.samples, measure), _logarithms(run.samples, measure), measure, is_same_processor
        )
    ]
    slower = [_words(loss) for loss in losses if loss.is_slower]
    for (setting, measure), together in _by_setting(losses).items():
        lost = [
            loss.against_calibration for loss in together if loss.is_judged and loss.against_calibration is not None
        ]
        if lost and len(lost) == len(together) and statistics.median(lost) > ALL_SLOWER:
            share = math.expm1(statistics.median(lost))
            slower.append(f"all models, {setting}: {measure} is {share:+.0%} against the calibration loop")
    judged = {loss.case for loss in losses if loss.is_judged}
    return Verdict(losses, slower, sorted({loss.case for loss in losses} - judged))


class _Logarithms(NamedTuple):
    """A measure of one case at one load."""

    model: str
    setting: str
    values: list[float]
    """Logarithms of milliseconds, by round."""
    calibrations: list[float]
    """Logarithms of the calibration loop's milliseconds beside them."""


def _logarithms(samples: Iterable[Sample], measure: str) -> dict[tuple[str, str], _Logarithms]:
    """By case and load."""
    groups: dict[tuple[str, str], _Logarithms] = {}
    for sample in samples:
        if measure in sample.values:
            group = groups.setdefault((sample.case, sample.load), _Logarithms(sample.model, sample.setting, [], []))
            group.values.append(math.log(sample.values[measure]))
            group.calibrations.append(math.log(sample.calibration_ms))
    return groups


def _losses(
    before: dict[tuple[str, str], _Logarithms],
    after: dict[tuple[str, str], _Logarithms],
    measure: str,
    is_same_processor: bool,
) -> list[Loss]:
    """Of each case that both runs have at the same load."""
    common = [key for key in before if key in after]
    deviation = _deviation([one.values for run in (before, after) for key in common for one in [run[key]]])
    growths: dict[str, float] = {}
    against_calibration: dict[str, float] = {}
    errors: dict[str, float] = {}
    groups: dict[str, _Logarithms] = {}
    for case in dict.fromkeys(case for case, _ in common):
        keys = [key for key in common if key[0] == case]
        groups[case] = before[keys[0]]
        growths[case] = _growth([(before[key].values, after[key].values) for key in keys])
        calibration = _growth([(before[key].calibrations, after[key].calibrations) for key in keys])
        against_calibration[case] = growths[case] - calibration
        num_values = [sum(len(run[key].values) for key in keys) for run in (before, after)]
        errors[case] = math.hypot(
            _MEDIAN_ERROR * deviation * math.sqrt(sum(1 / number for number in num_values)), BETWEEN_STARTS
        )
    losses = []
    for case, group in groups.items():
        others = [
            growths[other] for other, own in groups.items() if own.setting == group.setting and own.model != group.model
        ]
        losses.append(
            Loss(
                case=case,
                setting=group.setting,
                measure=measure,
                against_others=growths[case] - statistics.median(others) if others else None,
                against_calibration=against_calibration[case] if is_same_processor else None,
                error=errors[case] * math.sqrt(1 + _MEDIAN_ERROR**2 / max(1, len(others))),
            )
        )
    return losses


def _growth(pairs: Iterable[tuple[list[float], list[float]]]) -> float:
    """From the rounds before to those after, of several loads: the median of all deviations from the medians before."""
    return statistics.median(value - statistics.median(before) for before, after in pairs for value in after)


def _deviation(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation within groups of few values, of which some may be far off; infinite where none has two."""
    apart = [abs(one - other) for group in groups for one, other in itertools.combinations(group, 2)]
    return _DEVIATION * statistics.median(apart) / math.sqrt(2) if apart else math.inf


def _by_setting(losses: Iterable[Loss]) -> dict[tuple[str, str], list[Loss]]:
    groups: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        groups.setdefault((loss.setting, loss.measure), []).append(loss)
    return groups


def _words(loss: Loss) -> str:
    return f"{loss.case}: {loss.measure} is {_share(loss.against_others, 0)} against the other models"


def table(verdict: Verdict) -> str:
    """Every loss, and the verdict below."""
    rows = [("case", "measure", "to others", "to loop", "error", "")]
    for loss in verdict.losses:
        note = "SLOWER" if loss.is_slower else "" if loss.is_judged else "too noisy"
        losses = _share(loss.against_others), _share(loss.against_calibration), f"{loss.error:.1%}"
        rows.append((loss.case, loss.measure, *losses, note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(f"slower: {line}" for line in verdict.slower)]
    lines += [f"too noisy to tell; more rounds are needed: {case}" for case in verdict.unjudged]
    if not verdict.losses:
        lines.append("nothing to compare: the runs have no case in common at the same load")
    elif verdict.exit_status == 0:
        lines.append("nothing is slower")
    return "\n".join(lines)


def _share(logarithm: float | None, num_digits: int = 1) -> str:
    return "-" if logarithm is None else f"{math.expm1(logarithm):+.{num_digits}%}"


if __name__ == "__main__":
    main()
