"""Call every method with requests that nobody would write, and see that each is answered or refused as the contract has
it: no other error, no hang, no memory that grows.

python -m tests.fuzz.wire
python -m tests.fuzz.wire --inputs 100000 --seed 7
python -m tests.fuzz.wire --input 7000123
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from loadtest.memory import memory_megabytes
from tests.fuzz.wire_calls import problem_with
from tests.fuzz.wire_messages import MODEL, make
from tests.integration.served import Served, serving

_AT_ONCE = 16
_SHOWN_EVERY = 15.0
"""Seconds."""
_MAX_GROWTH = 0.1
"""Of memory, from a tenth of all inputs to the end."""
_SEEDS = 10**9
"""Numbers of inputs that a seed has for itself."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.wire", description="Call every method with any bytes.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="calls (default: 1000000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="(default: another each time)")
    parser.add_argument("--input", type=int, help="the number of an input that an earlier run has printed: it alone")
    arguments = parser.parse_args()
    numbers: Sequence[int] = range(arguments.seed * _SEEDS, arguments.seed * _SEEDS + arguments.inputs)
    if arguments.input is not None:
        numbers = [arguments.input]
        print(make(arguments.input))
    else:
        print(f"{arguments.inputs} inputs, seed {arguments.seed}", flush=True)
    sys.exit(asyncio.run(_run(numbers)))


async def _run(numbers: Sequence[int]) -> bool:
    """Returns whether anything is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        async with fuzzed_server(Path(folder)) as served:
            fuzzing = Fuzzing(served)
            await fuzzing.call_all(numbers)
    print(fuzzing.report())
    return bool(fuzzing.problems)


def fuzzed_server(folder: Path) -> AbstractAsyncContextManager[Served]:
    """A server of one shipped model, in this process."""
    (folder / MODEL).symlink_to((Path("model_repository") / MODEL).resolve())
    return serving(folder, default_model=MODEL)


class Fuzzing:
    """The calls of one run, and what came of them."""

    def __init__(self, served: Served) -> None:
        self._calls = served.app._calls
        self.codes: Counter[str] = Counter()
        self.problems: list[str] = []
        """The first of each kind, with the command that makes it happen again."""
        self._known: set[str] = set()
        self._megabytes: list[float] = []
        """After every tenth of the inputs."""
        self._rate = 0.0

    async def call_all(self, numbers: Sequence[int]) -> None:
        """Make these inputs and call with them, a few at a time."""
        started = shown = time.monotonic()
        for first in range(0, len(numbers), _AT_ONCE):
            if first >= len(numbers) / 10 * (1 + len(self._megabytes)):
                self._megabytes.append(memory_megabytes(os.getpid())["VmRSS"])
            await asyncio.gather(*map(self._call, numbers[first : first + _AT_ONCE]))
            if time.monotonic() > shown + _SHOWN_EVERY:
                shown = time.monotonic()
                print(f"{first + _AT_ONCE} inputs, {first / (shown - started):.0f} a second", flush=True)
        self._rate = len(numbers) / (time.monotonic() - started)
        self._check_end()

    async def _call(self, number: int) -> None:
        made = make(number)
        code, problem = await problem_with(self._calls, made)
        self.codes[code] += 1
        if problem and (kind := f"{made.method}: {code}") not in self._known:
            self._known.add(kind)
            self.problems.append(f"{kind}: {problem}\n  python -m tests.fuzz.wire --input {number}")
            print(f"FAILED: {self.problems[-1]}", flush=True)

    def _check_end(self) -> None:
        """What has to be true when all calls have ended."""
        admission = self._calls.admission
        if admission.num_calls or admission.num_bytes:
            self.problems.append(f"{admission.num_calls} calls and {admission.num_bytes} bytes are still admitted")
        first, last = next(iter(self._megabytes), 0.0), next(reversed(self._megabytes), 0.0)
        if last > (1 + _MAX_GROWTH) * first:
            self.problems.append(f"memory: {first:.0f} MB after a tenth, {last:.0f} MB at the end")

    def report(self) -> str:
        codes = ", ".join(f"{number} {code}" for code, number in self.codes.most_common())
        memory = " ".join(f"{one:.0f}" for one in self._megabytes)
        lines = [f"{self.codes.total()} inputs, {self._rate:.0f} a second: {codes}", f"memory, by tenths: {memory} MB"]
        return "\n".join([*lines, *self.problems, f"{len(self.problems)} kinds of failures"])


if __name__ == "__main__":
    main()
