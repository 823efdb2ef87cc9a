"""Load for long: all models at once, at 70 % of what they hold, while the server's memory is watched."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.cases import make_case
from loadtest.driven import DrivenModel
from loadtest.generators import Generators
from loadtest.knee import holds
from loadtest.measuring import Measuring, Order
from loadtest.memory import memory_megabytes
from loadtest.records import Record, append_record
from loadtest.server_side import Samples, scrape
from seq2serve.addresses import Address

_SHARE = 0.7
_MAX_GROWTH = 0.05
_SEGMENT_SECONDS = 60.0
_MIN_SEGMENTS = 5
_SETTLED = ("seq2serve_active_rows", "seq2serve_reserved_rows", "seq2serve_waiting")
"""Series that are 0 where nobody asks for anything."""
_SETTLING_SECONDS = 2.0

RECORDS = "soak.jsonl"


class Soaked(NamedTuple):
    records: Sequence[Record]
    memory_mb: Sequence[float]
    """Resident memory of all processes of the server, after each segment; empty for a server of somebody else."""
    left_over: Mapping[str, float]
    """Series that ought to be 0 at the end, and are not."""


def rates_for(models: Sequence[DrivenModel], records: Sequence[Record], default: float) -> dict[str, float]:
    """Calls a second of each model by name, so that all together take 70 % of what they can: each gets its share of the
    machine, and as many calls as it holds with that. `default`: the knee of a model that `records` do not tell."""
    rates = {}
    for model in models:
        case = make_case(model).name
        held = [record.rate for record in records if record.case.name == case and record.rate and holds(record)]
        rates[model.name] = _SHARE * max(held, default=default) / len(models)
    return rates


def soak(
    connection: dict[str, Any],
    metrics: Address | None,
    pid: int,
    models: Sequence[DrivenModel],
    rates: Mapping[str, float],
    minutes: float,
    folder: Path,
) -> Soaked:
    """Load the models for `minutes`, a generator each, in segments after which memory is read. `pid`: the server's
    process, 0 if it is not ours. Raises GeneratorError."""
    (folder / RECORDS).unlink(missing_ok=True)
    num_segments = max(_MIN_SEGMENTS, round(60 * minutes / _SEGMENT_SECONDS))
    seconds = 60 * minutes / num_segments
    by_name = {model.name: model for model in models}
    records: list[Record] = []
    memory = []
    with ExitStack() as stack, ThreadPoolExecutor(len(models)) as pool:
        measuring = {
            model.name: Measuring(stack.enter_context(Generators(connection)), metrics, by_name, warm_up=0.0)
            for model in models
        }
        for segment in range(num_segments):
            orders = [
                Order(case=make_case(model), round=segment, rate=rates[model.name], seconds=seconds) for model in models
            ]
            measured = pool.map(lambda order: measuring[order.case.model].measure(order), orders)
            for record in measured:
                append_record(folder / RECORDS, record)
                records.append(record)
            memory += [memory_megabytes(pid)["VmRSS"]] if pid else []
            told = f", {memory[-1]:.0f} MB" if memory else ""
            print(f"soak: {(segment + 1) * seconds / 60:.1f} of {minutes:g} minutes{told}", flush=True)
    time.sleep(_SETTLING_SECONDS)
    return Soaked(records, memory, left_over(scrape(metrics)))


def left_over(samples: Samples) -> dict[str, float]:
    """Series that are not 0, of those that ought to be when nobody asks for anything."""
    return {f"{name}{dict(labels)}": value for (name, labels), value in samples.items() if name in _SETTLED and value}


def problems(soaked: Soaked) -> list[str]:
    """What must not have happened, a line each."""
    found = []
    for name in dict.fromkeys(record.case.name for record in soaked.records):
        of_case = [record for record in soaked.records if record.case.name == name]
        ended = sum(len(record.latencies_ms) + sum(record.errors.values()) for record in of_case)
        due = sum(record.due for record in of_case)
        if ended < due:
            found.append(f"{name}: {due - ended} of {due} calls never ended")
        errors = {code for record in of_case for code in record.errors}
        found += [
            f"{name}: {sum(record.errors.get(code, 0) for record in of_case)} of {due} calls ended in {code}"
            for code in sorted(errors)
        ]
        if not any(record.latencies_ms for record in of_case):
            found.append(f"{name}: no call was answered")
    found += [f"{series} is {value:g} at the end" for series, value in soaked.left_over.items()]
    first, last = next(iter(soaked.memory_mb), 0.0), next(iter(soaked.memory_mb[::-1]), 0.0)
    if last > (1 + _MAX_GROWTH) * first:
        found.append(f"memory: {first:.0f} MB after the first segment, {last:.0f} MB at the end")
    return found
