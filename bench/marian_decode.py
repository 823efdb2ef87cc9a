"""`marian decode` as a system of the benchmark: it reads all sentences, translates them, and ends."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.process import BenchError
from bench.systems import LENGTH_PENALTY

_TIMED = 10
"""Sentences by which the time until Marian translates is found: that of its start and of its first batch."""

_MANY = 1000
"""Sentences in a run at least, those asked for several times over if they are fewer: a start takes as long as some
hundreds of sentences, and not always as long."""


class MarianDecode:
    """A model in Marian's own file, and the command `pymarian` (or `marian`, with the same sub-commands)."""

    settings: Sequence[int] = (16, 32, 64)
    """Sentences of a batch."""

    def __init__(self, command: str, model: Path, vocabularies: Sequence[Path]) -> None:
        self._command = [command, "decode", "-m", str(model), "-v", *map(str, vocabularies), "--cpu-threads", "1"]
        self._command += ["--quiet", "--normalize", str(LENGTH_PENALTY), "--workspace", "512"]

    def ask(self, texts: Sequence[str], beam_size: int, setting: int = 1, one_by_one: bool = False) -> dict[str, Any]:
        """What `text_worker.work` answers. The time to start is measured each time, and taken off; one by one, every
        sentence is a batch, and has the mean of their times."""
        sizes = (1, 1) if one_by_one else (setting, 100)
        many = [*texts] * (1 if one_by_one else -(-_MANY // len(texts)))
        some, whole = self._run(texts[:_TIMED], beam_size, sizes), self._run(many, beam_size, sizes)
        seconds = (whole["seconds"] - some["seconds"]) * len(texts) / max(len(many) - len(texts[:_TIMED]), 1)
        if seconds <= 0:
            raise BenchError(f"marian decode: {len(many)} sentences take no longer than its start: more are needed")
        whole["outputs"] = whole["outputs"][: len(texts)]
        whole["seconds"] = [seconds / len(texts)] * len(texts) if one_by_one else seconds
        return whole

    def close(self) -> None:
        """Nothing runs between two orders."""

    def _run(self, texts: Sequence[str], beam_size: int, sizes: tuple[int, int]) -> dict[str, Any]:
        """sizes: sentences of a batch, and batches that are sorted by length together."""
        options = ["-b", str(beam_size), "--mini-batch", str(sizes[0]), "--maxi-batch", str(sizes[1])]
        options += ["--maxi-batch-sort", "src"] if sizes[1] > 1 else []
        with tempfile.TemporaryFile("w+") as source, tempfile.TemporaryFile("w+") as target:
            source.write("".join(f"{text}\n" for text in texts))
            source.seek(0)
            started = time.perf_counter()
            running = subprocess.Popen([*self._command, *options], stdin=source, stdout=target)
            _, status, usage = os.wait4(running.pid, 0)
            taken = time.perf_counter() - started
            running.returncode = os.waitstatus_to_exitcode(status)
            target.seek(0)
            outputs = target.read().removesuffix("\n").split("\n")
        if running.returncode or len(outputs) != len(texts):
            raise BenchError(f"{self._command[0]} decode: status {running.returncode}, {len(outputs)} translations")
        return {"seconds": taken, "outputs": outputs, "peak_megabytes": usage.ru_maxrss * 1024 / 1e6}


def to_int8(command: str, model: Path, folder: Path) -> Path:
    """The model in Marian's int8, written once."""
    made = folder / f"{model.stem}.intgemm8.bin"
    if not made.exists():
        subprocess.run([command, "convert", "-f", model, "-t", made, "-g", "intgemm8"], check=True, capture_output=True)
    return made
