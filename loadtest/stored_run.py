"""A run of load tests as it is stored to compare others with: what its models cost, by case, load and round."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.records import Record

MEASURES: Mapping[str, Callable[[Record], float | None]] = {
    "processor time a token": lambda record: record.server.engine_ms_per_token,
    "time of a step": lambda record: record.server.step_ms,
    "median latency": lambda record: statistics.median(record.latencies_ms) if record.latencies_ms else None,
}


@dataclass(frozen=True)
class Sample:
    """What the gate takes from one record."""

    case: str
    model: str
    setting: str
    """All that cases of several models have to share to be compared."""
    load: str
    round: int
    calibration_ms: float
    values: dict[str, float]
    """Milliseconds of each of `MEASURES` that the record has."""


@dataclass(frozen=True)
class Run:
    processor: str
    commit: str
    samples: list[Sample]


def take(records: Sequence[Record]) -> Run:
    """A run from its records, without those that are not to be believed. Raises ValueError where none is left."""
    believed = [record for record in records if not record.saturated]
    if not believed:
        raise ValueError("a run with records that can be believed expected, got none")
    return Run(believed[0].machine.processor, believed[0].machine.commit, [_sample(record) for record in believed])


def _sample(record: Record) -> Sample:
    case = record.case
    values = {name: value for name, measure in MEASURES.items() if (value := measure(record))}
    return Sample(
        case=case.name,
        model=case.model,
        setting=f"{case.workload} {case.method} {json.dumps(case.decoding, sort_keys=True)}",
        load=f"{record.rate:g}/s" if record.load == "open" else f"{record.users} users",
        round=record.round,
        calibration_ms=round(record.machine.calibration_ms, 6),
        values={name: round(value, 6) for name, value in values.items()},
    )


def write_run(run: Run, path: Path) -> None:
    """A line for each sample, so that differences between two baselines can be read."""
    lines = ",\n".join(f"    {json.dumps(asdict(sample))}" for sample in run.samples)
    head = f'"processor": {json.dumps(run.processor)},\n  "commit": {json.dumps(run.commit)}'
    path.write_text(f'{{\n  {head},\n  "samples": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def read_run(path: Path) -> Run:
    """Raises OSError, or ValueError for a file that `write_run` has not written."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Run(content["processor"], content["commit"], [Sample(**sample) for sample in content["samples"]])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: a run stored by `python -m loadtest.gate --write` expected ({error})") from error
