"""A running server and what loads it: rates, latencies and processor time, and the search for the highest rate."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.open_loop import OK
from bench.process import Child
from bench.sizes import Size
from loadtest.memory import family
from loadtest.percentiles import percentile
from loadtest.running_server import RunningServer

MAX_P99_MS = 250.0
MAX_ERROR_SHARE = 0.01
GROWTH = 1.5
MOST_BELOW = 8
"""A server that holds no more than so small a part of the first rate is not measured: steps become minutes."""
NEARNESS = 1.1
"""The highest rate that held and the lowest that did not are no further apart, as a ratio."""


def holds(step: dict[str, Any]) -> bool:
    """Whether a server has kept up with the rate of a step of `Server.load`."""
    return bool(step["p99"] <= MAX_P99_MS and step["error_share"] <= MAX_ERROR_SHARE)


@dataclass
class Climb:
    """The search for the highest rate that a server holds: first by steps of GROWTH, then by halves. A rate is missed
    that is not held twice, as the machine may have been slow once."""

    first_rate: float
    held: float = 0.0
    missed: float = 0.0
    doubted: float = 0.0
    """What was not held the last time."""
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return bool(self.missed) and self.missed <= max(self.held, self.first_rate / MOST_BELOW) * NEARNESS

    @property
    def next_rate(self) -> float:
        if self.doubted:
            return self.doubted
        if not self.missed:
            return self.held * GROWTH if self.held else self.first_rate
        return float((max(self.held, self.missed / GROWTH**2) * self.missed) ** 0.5)

    def record(self, step: dict[str, Any]) -> None:
        self.steps.append(step)
        if holds(step):
            self.held, self.doubted = step["rate"], 0.0
        elif self.doubted:
            self.missed, self.doubted = step["rate"], 0.0
        else:
            self.doubted = step["rate"]


class Server:
    """A server that runs, and the generators that load it, each a process with connections of its own."""

    def __init__(self, server: RunningServer, size: Size, num_generators: int = 1) -> None:
        self._pid = server.pid
        self._size = size
        command = ["bench.open_loop", server.address]
        self._generators = [Child("load generator", command) for _ in range(num_generators)]
        self._before: dict[tuple[int, int], float] = {}

    def load(self, texts: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
        """What became of `rate` calls a second for `seconds`, see `finish`."""
        self.start(texts, rate, seconds)
        self.wait_sent()
        return self.finish(rate, seconds)

    def start(self, texts: Sequence[str], rate: float, seconds: float) -> None:
        self._before = cpu_seconds_by_thread(self._pid)
        share = rate / len(self._generators)  # Poisson processes add up to one
        for number, generator in enumerate(self._generators):
            generator.tell(
                model=self._size.model,
                use_shortlist=self._size.is_listed,
                texts=texts,
                rate=share,
                seconds=seconds,
                seed=[int(rate), number],
            )

    def wait_sent(self) -> float:
        """When the last call was sent, on the machine's monotonic clock."""
        return max(generator.read()["sent"] for generator in self._generators)

    def finish(self, rate: float, seconds: float) -> dict[str, Any]:
        """Of what `start` has begun: latencies in milliseconds, processor time in cores."""
        answers = [generator.read() for generator in self._generators]
        after = cpu_seconds_by_thread(self._pid)
        spent = {thread: taken - self._before.get(thread, 0.0) for thread, taken in after.items()}
        own = [taken for (pid, _), taken in spent.items() if pid == self._pid]
        lasted = max(answer["seconds"] for answer in answers)
        latencies: dict[str, list[float]] = {}
        for answer in answers:
            for status, of_status in answer["latencies"].items():
                latencies[status] = sorted([*latencies.get(status, []), *of_status])
        accepted = latencies.pop(OK, [])
        errors = {status: len(of_status) for status, of_status in latencies.items()}
        num_errors = sum(errors.values())
        return {
            "rate": rate,
            "answers": len(accepted),
            "answers_per_second": sum(answer["answered"] for answer in answers) / seconds,
            **{f"p{percent}": percentile(accepted, percent) or float("inf") for percent in (50, 95, 99)},
            "errors": errors,
            "error_p99": {status: percentile(of_status, 99) for status, of_status in latencies.items()},
            "error_share": num_errors / max(len(accepted) + num_errors, 1),
            "server_cpu": sum(spent.values()) / lasted,
            "not_decoding": sum(own) / max(sum(spent.values()), 1e-9),
            "generator_cpu": sum(answer["generator_cpu"] for answer in answers),
            "late_ms": max(answer["late_ms"] for answer in answers),
        }

    def close(self) -> None:
        for generator in self._generators:
            generator.close()


def cpu_seconds_by_thread(pid: int) -> dict[tuple[int, int], float]:
    """User and system time of every thread of a process, and of those that it has started, by process and thread."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = {}
    tasks = [(member, task) for member in family(pid) for task in Path(f"/proc/{member}/task").iterdir()]
    for member, task in tasks:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            seconds[member, int(task.name)] = (int(fields[11]) + int(fields[12])) / ticks
    return seconds
