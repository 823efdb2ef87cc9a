"""What the gate has measured, as it is stored to compare others with: what each model costs, start by start."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.turns import MEASURES, Turn


class Cost(NamedTuple):
    """What a model costs in one start of the server, each the median of all turns."""

    ms: float
    to_models: float
    """To the geometric mean of all models in the same turn, as a factor."""
    to_loop: float
    """To the calibration loop of the same turn, as a factor."""


Start = Mapping[str, Mapping[str, Cost]]
"""By measure and by model."""


@dataclass(frozen=True)
class Run:
    processor: str
    """The name of its kind."""
    cores: int
    """That could be used."""
    commit: str
    """Of the working tree, with `+` behind it if files differ from it."""
    turns: int
    """Of each start."""
    starts: Sequence[Start]

    @property
    def models(self) -> list[str]:
        return sorted({model for start in self.starts for costs in start.values() for model in costs})


def costs_of(turns: Sequence[Turn]) -> Start:
    """The medians of a start's turns."""
    return {measure: {model: _cost(turns, measure, model) for model in sorted(turns[0].calls)} for measure in MEASURES}


def _cost(turns: Sequence[Turn], measure: str, model: str) -> Cost:
    own, to_models, to_loop = [], [], []
    for turn in turns:
        times = {name: MEASURES[measure](call) for name, call in turn.calls.items()}
        own.append(times[model])
        to_models.append(times[model] / statistics.geometric_mean(times.values()))
        to_loop.append(times[model] / turn.calibration_ms)
    return Cost(*(_rounded(statistics.median(values)) for values in (own, to_models, to_loop)))


def _rounded(value: float) -> float:
    """To four digits: what is behind them is noise."""
    return float(f"{value:.4g}")


def deviation(starts: Sequence[Start], measure: str, part: str) -> float:
    """How far starts are apart in the logarithm of one part of a measure's costs: a standard deviation, from all
    models together. Infinite for fewer than two starts."""
    if len(starts) < 2:
        return math.inf
    variances = [
        statistics.variance([math.log(getattr(start[measure][model], part)) for start in starts])
        for model in starts[0][measure]
    ]
    return math.sqrt(statistics.fmean(variances))


def write_run(run: Run, path: Path) -> None:
    """A line for each start and measure, so that differences between two baselines can be read."""
    head = {name: value for name, value in vars(run).items() if name != "starts"}
    starts = [
        ",\n".join(f"      {json.dumps(measure)}: {json.dumps(costs)}" for measure, costs in start.items())
        for start in run.starts
    ]
    lines = "\n    },\n    {\n".join(starts)
    text = json.dumps(head, indent=2).removesuffix("\n}")
    path.write_text(f'{text},\n  "starts": [\n    {{\n{lines}\n    }}\n  ]\n}}\n', encoding="utf-8")


def read_run(path: Path) -> Run:
    """Raises OSError, or ValueError for a file that `write_run` has not written."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        starts = [
            {measure: {model: Cost(*cost) for model, cost in start[measure].items()} for measure in MEASURES}
            for start in content.pop("starts")
        ]
        return Run(**content, starts=starts)
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: a run stored by `python -m loadtest.gate --store` expected ({error})") from error
