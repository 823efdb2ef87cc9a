"""What is measured runs in processes of its own, which wait, and take no time, while others are measured."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class BenchError(Exception):
    """A measurement that cannot count: a system has ended, or does not translate as ours does."""


class Child:
    """A Python module, spoken to in lines of JSON."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """`command`: a module and its arguments."""
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """What it answers to an order. Raises BenchError if it ends instead."""
        self.tell(**order)
        return self.read()

    def tell(self, **order: Any) -> None:
        """Send an order; its answer is the next that `read` returns."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self._name}: ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        with self._process:  # closes its pipes, at which it ends, and waits
            pass


class Worker(Child):
    """A system in a process of its own, see `worker.py`."""

    def __init__(self, name: str, threads: int, folder: Path) -> None:
        """`name`: as `worker.open_system` takes it; `threads`: cores that the system may use; `folder`: where made
        models are."""
        command = ["bench.worker", name, str(threads), str(folder)]
        super().__init__(name, command, {"OMP_NUM_THREADS": str(threads)})
        self.settings: list[int] = self.read()["settings"]


def forget_peak() -> None:
    """Count the peak of this process's memory anew, from what it holds now (Linux: clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def family(pid: int) -> list[int]:
    """A process, those that it has started, and those that they have started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for listed in lists for child in listed.read_text(encoding="utf-8").split()]
    return [pid, *(member for child in children for member in family(child))]


def memory_megabytes(pid: int) -> dict[str, float]:
    """Memory of a process and of the processes that it has started, by Linux's name for it: VmRSS is resident now,
    VmHWM was at the peak; memory that they share is counted for each of them there, and once in Pss."""
    megabytes = {"VmRSS": 0.0, "VmHWM": 0.0, "Pss": 0.0}
    for member in family(pid):
        folder = Path(f"/proc/{member}")
        lines = [
            *(folder / "status").read_text(encoding="utf-8").splitlines(),
            *(folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()[1:],
        ]
        values = dict(line.split(":", 1) for line in lines)
        for name in megabytes:
            megabytes[name] += int(values[name].split()[0]) * 1024 / 1e6
    return megabytes
