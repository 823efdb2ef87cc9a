"""Has a model become slower? Compares what the models of a server cost now with a stored run.

    python -m loadtest.gate            exits with 0 if nothing is slower, 1 if something is, 2 if that cannot be told
    python -m loadtest.gate --store    stores a run to compare others with

No absolute time is compared. In each turn a text is translated by every model, one after the other, and a calibration
loop is timed; what counts is each model's time as a share of the other models' in the same turn, and of the loop's.
A model is slower if it has lost against the others, and all are if they have lost much against the loop.

A start of the server is one observation, the median over its turns: where a model's memory lies differs between
starts, so that no number of turns in one can tell more than a percent. How far the starts of a run are apart says how
far their mean may be trusted (its standard error). The server is started again until that is small enough to judge, or
the time is up.
"""

import argparse
import math
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import grpc

from loadtest.calibration import commit, num_cores, processor
from loadtest.driven import NotDriven
from loadtest.running_server import ServerError
from loadtest.stored_run import Run, costs_of, deviation, read_run, write_run
from loadtest.turns import MEASURES, take_turns

BASELINE = Path("loadtest/baseline.json")

SLOWER = math.log(1.065)
"""Loss against the other models, as a logarithm, from which a model is slower: about half of what a step that takes a
fifth longer adds to the decoding of a text."""

ALL_SLOWER = math.log(1.4)
"""Loss of all models against the calibration loop from which all are. The loop feels other users of the machine less
than a server of several processes does, so that no smaller one means much."""

ERRORS_APART = 4
"""Standard errors that these thresholds have to be away from no loss for it to be judged."""

NUM_STARTS, NUM_TEXTS = 6, 100
"""Starts of the server in a run, at least, and turns of each."""

_MEDIAN_ERROR = 1.2533
"""Standard error of the median of many values against that of their mean."""

MOST_SECONDS = 180.0
"""After which no more starts are made for a smaller error."""


class Loss(NamedTuple):
    """How much a measure of a model has grown, as logarithms of ratios."""

    model: str
    measure: str
    to_others: float
    to_loop: float

    @property
    def is_slower(self) -> bool:
        return self.to_others > SLOWER


class Errors(NamedTuple):
    """Standard errors of the losses of a measure."""

    to_others: float
    to_loop: float


@dataclass(frozen=True)
class Verdict:
    losses: Sequence[Loss]
    errors: Mapping[str, Errors]
    """By measure."""
    slower: Sequence[str]
    """What has become slower, a line each."""
    unjudged: Sequence[str]
    """Why it cannot be told, a line each."""

    @property
    def exit_status(self) -> int:
        return 1 if self.slower else 2 if self.unjudged else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.gate", description="Has a model become slower?")
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="the stored run (default: %(default)s)")
    parser.add_argument("--store", action="store_true", help="store a run there, in place of comparing one with it")
    parser.add_argument(
        "--starts", type=_two_or_more, default=NUM_STARTS, help="of the server, at least (default: %(default)s)"
    )
    parser.add_argument(
        "--server",
        type=shlex.split,
        default=[sys.executable, "-m", "server"],
        metavar="COMMAND",
        help="that starts the server, to which flags are added (default: python -m server)",
    )
    parser.add_argument("--log", type=Path, default=Path("build/gate.log"), help="of the server (default: %(default)s)")
    arguments = parser.parse_args()
    command = [*arguments.server, "--listen=127.0.0.1:0", "--metrics-listen=", "--log-format=json"]
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.store:
            write_run(measure(command, arguments.log, arguments.starts), arguments.baseline)
            return
        verdict = check(read_run(arguments.baseline), command, arguments.log, arguments.starts)
    except (OSError, ValueError, ServerError, NotDriven) as error:
        verdict = Verdict([], {}, [], [str(error)])
    except grpc.RpcError as error:
        verdict = Verdict([], {}, [], [f"{error.code().name}: {error.details()}"])
    print(table(verdict))
    sys.exit(verdict.exit_status)


def _two_or_more(text: str) -> int:
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"at least 2 expected, got {number}: how far they are apart tells the error")
    return number


def measure(command: Sequence[str], log: Path, num_starts: int, baseline: Run | None = None) -> Run:
    """Measure so many starts, and more until they can be compared with a baseline or the time is up."""
    begun = time.monotonic()
    run = Run(processor(), num_cores(), commit(), NUM_TEXTS, [])
    while len(run.starts) < num_starts or (
        baseline and compare(baseline, run).unjudged and time.monotonic() - begun < MOST_SECONDS
    ):
        turns = take_turns(command, log, NUM_TEXTS, seed=len(run.starts))
        run = replace(run, starts=[*run.starts, costs_of(turns)])
        print(f"start {len(run.starts)}, after {time.monotonic() - begun:.0f} s", flush=True)
    return run


def check(baseline: Run, command: Sequence[str], log: Path, num_starts: int) -> Verdict:
    """Measure, and compare. Raises what `take_turns` does."""
    own = replace(baseline, processor=processor(), cores=num_cores())
    if own != baseline:
        raise ValueError(
            f"the stored run is of {baseline.cores} cores of {baseline.processor}, and these are {own.cores} of "
            f"{own.processor}, where the models' costs have other ratios; store a run of this machine, of code "
            "that is known to be good"
        )
    return compare(baseline, measure(command, log, num_starts, baseline))


def compare(baseline: Run, run: Run) -> Verdict:
    """Raises ValueError for runs of other models."""
    if baseline.models != run.models:
        raise ValueError(
            f"a server of {', '.join(baseline.models)} expected, as was stored, got {', '.join(run.models)}"
        )
    losses: list[Loss] = []
    errors: dict[str, Errors] = {}
    slower: list[str] = []
    unjudged: list[str] = []
    for measure in MEASURES:
        to_models, to_loop = (_growths(baseline, run, measure, part) for part in ("to_models", "to_loop"))
        grown = [
            Loss(model, measure, to_models[model] - _median_of_others(to_models, model), to_loop[model])
            for model in run.models
        ]
        of_models, of_loop = (_error(baseline, run, measure, part) for part in ("to_models", "to_loop"))
        num_others = max(1, len(grown) - 1)
        # The mean of all models, which each was compared with first, holds a part of its own noise.
        own = of_models * math.sqrt((num_others + 1) / num_others)
        errors[measure] = Errors(own * math.sqrt(1 + _MEDIAN_ERROR**2 / num_others), of_loop)
        losses += grown
        if ERRORS_APART * errors[measure].to_others > SLOWER or ERRORS_APART * errors[measure].to_loop > ALL_SLOWER:
            unjudged.append(
                f"{measure}: the starts of the server are too far apart; is the machine busy with other work?"
            )
            continue
        slower += [
            f"{loss.model}: {measure} is {_share(loss.to_others, 0)} against the other models"
            for loss in grown
            if loss.is_slower
        ]
        all_lost = statistics.median(loss.to_loop for loss in grown)
        if all_lost > ALL_SLOWER:
            slower.append(f"all models: {measure} is {_share(all_lost, 0)} against the calibration loop")
    return Verdict(losses, errors, slower, unjudged)


def _growths(baseline: Run, run: Run, measure: str, part: str) -> dict[str, float]:
    """By model, of the mean of the starts' logarithms."""
    means = [
        {
            model: statistics.fmean(math.log(getattr(start[measure][model], part)) for start in one.starts)
            for model in run.models
        }
        for one in (baseline, run)
    ]
    return {model: means[1][model] - means[0][model] for model in run.models}


def _median_of_others(growths: Mapping[str, float], model: str) -> float:
    """So that the one model among several that has become faster makes no other slower; 0 for a model alone."""
    return statistics.median([growth for name, growth in growths.items() if name != model] or [0.0])


def _error(baseline: Run, run: Run, measure: str, part: str) -> float:
    return math.hypot(*(deviation(one.starts, measure, part) / math.sqrt(len(one.starts)) for one in (baseline, run)))


def table(verdict: Verdict) -> str:
    """Every loss with its standard error, and the verdict below."""
    rows = [("model", "measure", "to others", "error", "to loop", "error", "")]
    for loss in verdict.losses:
        errors = verdict.errors[loss.measure]
        shares = _share(loss.to_others), f"{errors.to_others:.1%}", _share(loss.to_loop), f"{errors.to_loop:.1%}"
        rows.append((loss.model, loss.measure, *shares, "SLOWER" if loss.is_slower else ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines = [*lines, ""] if verdict.losses else []
    lines += [f"slower: {line}" for line in verdict.slower]
    lines += [f"cannot tell: {line}" for line in verdict.unjudged]
    return "\n".join(lines if verdict.exit_status else [*lines, "nothing is slower"])


def _share(logarithm: float, num_digits: int = 1) -> str:
    return f"{math.expm1(logarithm):+.{num_digits}%}"


if __name__ == "__main__":
    main()
