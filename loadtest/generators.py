"""The generators of load as whoever measures sees them: processes that take an order, and answer with what became of
the calls."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

_MAX_LATE_MS, _MAX_LATE_SHARE = 25.0, 0.1
"""How late calls may begin, at the 99th percentile: a tenth of the time in which they are to be answered, or of what
they took if that is more. Where a generator stands still, answers wait for it as well."""

_MAX_ADDED_MS, _MAX_ADDED_SHARE = 5.0, 0.2
"""What late beginnings may add to the 99th percentile of the latencies."""

_MAX_CPU = 0.85
"""Of one core, which is all that a Python process can use: where it has no more, answers wait for it."""

_BUSY_CPU = 0.5
"""Of one core: a generator that used less was late because it did not get one."""


class GeneratorError(Exception):
    """A generator has ended."""


class Generators:
    """Processes that load one server together. A context manager."""

    def __init__(self, connection: dict[str, Any], number: int = 1) -> None:
        """`connection`: options of `loadtest.connections.connect`."""
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "loadtest.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(number)
        ]
        for process in self._processes:
            _write(process, connection)

    def __enter__(self) -> "Generators":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            with process:  # closes its pipes, and waits
                pass

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def drive(self, *, rate: float, users: int, seed: int, **order: Any) -> dict[str, Any]:
        """Load the server as `loadtest.generator.drive` does, each process with its share, and put together what they
        answer: fields of a record, among them `saturated`. Raises GeneratorError."""
        number = len(self._processes)
        for index, process in enumerate(self._processes):
            share = len(range(index, users, number))  # of users that are dealt out in turn
            if rate or share:
                _write(process, order | {"rate": rate / number, "users": share, "seed": seed * number + index})
        answers = [_read(process) for index, process in enumerate(self._processes) if rate or index < users]
        merged: dict[str, Any] = {key: [value for answer in answers for value in answer[key]] for key in _LISTS}
        merged |= {key: sum(answer[key] for answer in answers) for key in ("due", "output_tokens", "generator_cpu")}
        merged["started"] = answers[0]["started"]
        merged["errors"] = dict(sum((Counter(answer["errors"]) for answer in answers), Counter()))
        merged["late_ms"] = _percentile_99(merged.pop("all_late_ms"))
        merged["saturated"] = why_saturated(
            merged["late_ms"],
            _percentile_99(merged["latencies_ms"]),
            _percentile_99(merged.pop("from_begin_ms")),
            max(answer["generator_cpu"] for answer in answers),
        )
        return merged


_LISTS = ("latencies_ms", "source_tokens", "first_text_ms", "between_texts_ms", "all_late_ms", "from_begin_ms")


def why_saturated(late_ms: float, latency_ms: float, from_begin_ms: float, busiest_cpu: float) -> str:
    """Why a measurement says more of the generator than of the server; empty if it does not.

    99th percentiles, of how late calls began, of their latencies, and of these from the real beginnings; and the cores
    that the busiest generator used.
    """
    if busiest_cpu > _MAX_CPU:
        return f"the generator used {busiest_cpu:.2f} cores, and has one"
    is_late = late_ms > max(_MAX_LATE_MS, _MAX_LATE_SHARE * latency_ms)
    if is_late or latency_ms - from_begin_ms > max(_MAX_ADDED_MS, _MAX_ADDED_SHARE * latency_ms):
        what = "the generator" if busiest_cpu > _BUSY_CPU else "the machine was busy with other work, and the generator"
        return f"{what} began calls up to {late_ms:.0f} ms late, of {latency_ms:.0f} ms that they took"
    return ""


def _percentile_99(values: Sequence[float]) -> float:
    return sorted(values)[(99 * len(values) + 99) // 100 - 1] if values else 0.0


def _write(process: subprocess.Popen[str], order: dict[str, Any]) -> None:
    assert process.stdin
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise GeneratorError(f"a generator ended with status {process.wait()}") from None


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise GeneratorError(f"a generator ended with status {process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    return answer
