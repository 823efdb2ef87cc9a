"""How fast the machine is just now: a fixed piece of work, timed beside every measurement.

On a machine that others use as well, a model may look slow because the minute was. What took longer than the
calibration did is the model's; the spread of the calibrations says how far the numbers may be trusted.
"""

import functools
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.records import Machine

_REPEATS = 9
_NUMBERS = 50_000
"""Additions of one repeat, which take some milliseconds."""


def calibrate(repeats: int = _REPEATS) -> list[float]:
    """Milliseconds of the wall clock that each repeat has taken."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        total = 0
        for number in range(_NUMBERS):
            total += number * number % 7
        taken.append((time.perf_counter() - started) * 1e3)
    return taken


def describe_machine(calibrations: Sequence[float]) -> Machine:
    """This machine, with the calibrations from before and after a measurement, in milliseconds."""
    return Machine(
        calibration_ms=statistics.median(calibrations),
        processor=processor(),
        cores=num_cores(),
        commit=commit(),
    )


@functools.cache
def processor() -> str:
    """The name of its kind; empty where Linux does not tell it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def num_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


@functools.cache
def commit() -> str:
    """Of the working tree, as `Machine` has it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=10", "HEAD")
        return head + "+" if head and git("status", "--porcelain", "--untracked-files=no") else head
    except FileNotFoundError:
        return ""
