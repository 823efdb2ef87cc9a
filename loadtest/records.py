"""What one measurement has found, as lines of JSON: all that a report is made from, and what a run goes on from.

Knows neither gRPC nor Locust. Latencies are kept one by one, so that a distribution can be drawn whole, and added up
over rounds without averaging percentiles.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Method = Literal["unary", "stream"]
Load = Literal["open", "closed"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared: a model, how it decodes, and what it is asked."""

    name: str
    """Names the case in the report; no two cases of a run share it."""
    model: str
    """As ListModels names it."""
    architecture: str
    """As ListModels names it, such as `transformer`; `transformer-without-cache` for the Transformer that computes its
    whole prefix anew at each step."""
    decoding: dict[str, object]
    """Decoding options as JSON has them; empty for greedy decoding."""
    workload: str
    """Name of one of `loadtest.workloads`."""
    method: Method
    """Translate or StreamTranslate."""


@dataclass(frozen=True, kw_only=True)
class ServerSide:
    """The same time as the server saw it: differences of its own metrics, without the calls of other models. What it
    does not tell is None."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    """Percentiles of a request's time, interpolated in the buckets of the server's histogram."""
    mean_ms: float | None = None
    """Mean time of a request: exact, where percentiles are only as fine as buckets are."""
    requests: int = 0
    """Requests that ended, warm-up included."""
    rows_per_step: float | None = None
    """Mean number of rows that a decoder step advances."""
    padding_share: float | None = None
    """Share of the encoder's positions that held no token, 0 to 1."""
    engine_cores: float | None = None
    """Processor time a second of the process that decodes the model."""
    serving_cores: float | None = None
    """Processor time a second of the process that serves gRPC."""
    first_token_ms: float | None = None
    """Mean time until a sentence's first token."""
    step_ms: float | None = None
    """Mean time of a decoder step."""
    engine_ms_per_token: float | None = None
    """Processor time of the process that decodes the model, for each output token that the server counted in the same
    time: whoever else uses the machine changes it little."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was measured on, and how fast it was at that time."""

    calibration_ms: float
    """Median time of a fixed piece of work, right before and right after the measurement."""
    processor: str
    cores: int
    """That this process may use."""
    commit: str
    """Of the working tree, with `+` behind it if files differ from it; empty where git is not."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One case under one load for some seconds.

    A latency counts from when its call was meant to start, whether or not the generator or the connection was ready:
    calls that were due while the server stood still carry the wait. Counted are calls that were due in the seconds
    after the warm-up (in a closed loop, those that began in them), whenever they ended.
    """

    case: Case
    round: int
    """From 0."""
    load: Load
    rate: float
    """Calls a second that were offered by a Poisson process; 0 in a closed loop."""
    users: int
    """Calls in flight of a closed loop; 0 in an open one."""
    seconds: float
    """Length of the time whose calls are counted, warm-up excluded."""
    started: float
    """When that time began, in seconds of the Unix epoch."""
    latencies_ms: list[float]
    """Calls that succeeded."""
    source_tokens: list[int]
    """Tokens of each of these calls' sources, in the same order."""
    first_text_ms: list[float] = field(default_factory=list)
    """From a call's intended start to the first text of its stream; streams alone."""
    between_texts_ms: list[float] = field(default_factory=list)
    """Between two messages with text of one stream, of all streams together."""
    output_tokens: int = 0
    """That the calls which succeeded returned."""
    errors: dict[str, int] = field(default_factory=dict)
    """Calls that failed, by name of the status code."""
    late_ms: float = 0.0
    """99th percentile of how late the generator itself began its calls."""
    generator_cpu: float = 0.0
    """Cores that the generator used."""
    saturated: str = ""
    """Why the record is not to be believed: the generator was too slow, not the server. Empty if it is."""
    server: ServerSide = ServerSide()
    machine: Machine
    due: int = 0
    """Calls that were due in the counted seconds; every one is in `latencies_ms` or in `errors`."""
    seed: int = 0
    """Of the arrivals and of the choice among the workload's texts."""

    @property
    def error_share(self) -> float:
        """0 to 1, of the calls that are counted; 1 where there were none."""
        failed = sum(self.errors.values())
        return failed / (failed + len(self.latencies_ms)) if failed or self.latencies_ms else 1.0

    def percentile(self, percent: float) -> float:
        """The smallest latency in milliseconds that at least `percent` of all do not exceed; infinite without any."""
        ordered = sorted(self.latencies_ms)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.inf


def append_record(path: Path, record: Record) -> None:
    """Add a line. What an earlier process has left of a line, when it was killed, is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(dataclasses.asdict(record), separators=(",", ":")) + "\n")


def read_records(path: Path) -> list[Record]:
    """The records of a file, in the order in which they were written; none if there is no file.

    A line that was not written to its end is left out.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        records.append(_record(values))
    return records


def _record(values: dict[str, Any]) -> Record:
    nested = {
        "case": Case(**values["case"]),
        "server": ServerSide(**values["server"]),
        "machine": Machine(**values["machine"]),
    }
    return Record(**(values | nested))
