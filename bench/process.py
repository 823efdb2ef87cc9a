"""What is measured runs in processes of its own, which wait, and take no time, while others are measured."""

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

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        """`command`: a module and its arguments."""
        self._name = name
        self._process = subprocess.Popen(
            [python, "-m", *command],
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
