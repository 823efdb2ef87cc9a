"""The honest client as the siege sees it: its calls, by when they were meant to start."""

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.siege.honest import INTERVAL_SECONDS

_CALM_CALLS = 5
"""In a row, that take no longer than usual: all is as before."""

_PATIENCE_SECONDS = 15.0
"""Longer than the honest client's deadline."""


@dataclass(frozen=True)
class HonestCall:
    number: int
    """Of the calls, in the order in which they were meant to start, from 0."""
    method: str
    meant: float
    """When the call was meant to start, in seconds of the monotonic clock."""
    milliseconds: float
    """From then to its end."""
    late_ms: float
    """From then to its start: what the client's own process made it wait."""
    status: str


class Witness:
    """Starts the honest client, and reads what it writes. A context manager."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", "loadtest.siege.honest", address]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout  # for mypy: it is piped
        self._lines = self._process.stdout
        line = self._lines.readline()
        if not line:
            raise RuntimeError(f"the honest client ended with status {self._process.wait()}")
        self._started = float(json.loads(line)["started"])
        self._calls: dict[int, HonestCall] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._lines:
            call = HonestCall(**json.loads(line))
            self._calls[call.number] = call

    def __enter__(self) -> "Witness":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        self._lines.close()

    def calls(self, start: float, end: float) -> list[HonestCall]:
        """All that were meant to start in that time, whose end is waited for."""
        first = max(0, math.ceil((start - self._started) / INTERVAL_SECONDS))
        last = max(first, math.ceil((end - self._started) / INTERVAL_SECONDS))
        deadline = max(end, time.monotonic()) + _PATIENCE_SECONDS
        while not all(number in self._calls for number in range(first, last)):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the honest client no longer tells how its calls end")
            time.sleep(0.02)
        return [self._calls[number] for number in range(first, last)]

    def back_to_normal(self, since: float, usual_ms: float) -> float | None:
        """Seconds until its calls succeed within `usual_ms` again; None if that is not so in time."""
        end = since + _CALM_CALLS * INTERVAL_SECONDS
        while end < since + _PATIENCE_SECONDS:
            seconds = seconds_to_calm(self.calls(since, end), since, usual_ms)
            if seconds is not None:
                return seconds
            end += INTERVAL_SECONDS
        return None


def seconds_to_calm(calls: Sequence[HonestCall], since: float, usual_ms: float) -> float | None:
    """From then to the first of enough calls in a row that succeeded within `usual_ms`; 0 if all did."""
    num_calm = 0
    for index, call in enumerate(calls):
        num_calm = num_calm + 1 if call.status == "OK" and call.milliseconds <= usual_ms else 0
        if num_calm == _CALM_CALLS:
            first = index + 1 - _CALM_CALLS
            return calls[first].meant - since if first else 0.0
    return None
