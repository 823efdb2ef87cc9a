"""A system in a process of its own, which waits, and takes no time, while others are measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class BenchError(Exception):
    """A system that ended, or does not translate as ours does."""


class Worker:
    """`worker.py`, spoken to in lines of JSON."""

    def __init__(self, name: str, threads: int, folder: Path) -> None:
        """`name`: one of `worker.open_system`; `threads`: cores that it may use; `folder`: for converted models."""
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.bench.worker", name, str(threads), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.settings: list[int] = self._read()["settings"]

    def ask(self, **order: Any) -> dict[str, Any]:
        """What `worker.py` answers to an order. Raises BenchError if it ends instead."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self._name}: ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
