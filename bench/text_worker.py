"""How a process translates texts for the benchmark: lines of JSON in, lines of JSON out. It needs the standard library
alone, as a toolkit may need an environment of its own."""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from loadtest.memory import forget_peak, memory_megabytes


class TextSystem(ABC):
    settings: Sequence[int]
    """Numbers of rows, or of sentences in a batch (of tokens, where they are below 0); the fastest is chosen."""

    @abstractmethod
    def translate(self, texts: Sequence[str], beam_size: int, setting: int) -> list[str]:
        """The best translation of each text, which is one sentence."""


class Translating(Protocol):
    """A system that translates texts, or ids."""

    @property
    def settings(self) -> Sequence[int]: ...

    def translate(self, inputs: Any, /, beam_size: int, setting: int) -> list[Any]: ...


def work(system: Translating, inputs: str = "texts") -> None:
    """Answer every order with the seconds that it took (a list of those of each input, where it asks for one by one),
    the translations, and the most memory that was held. `inputs`: the order's name for what is translated."""
    print(json.dumps({"settings": list(system.settings)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        given, one_by_one = order.pop(inputs), order.pop("one_by_one", False)
        taken, outputs = [], []
        forget_peak(os.getpid())
        for batch in [[one] for one in given] if one_by_one else [given]:
            started = time.perf_counter()
            outputs += system.translate(batch, **order)
            taken.append(time.perf_counter() - started)
        answer = {
            "seconds": taken if one_by_one else sum(taken),
            "outputs": outputs,
            "peak_megabytes": memory_megabytes(os.getpid())["VmHWM"],
        }
        print(json.dumps(answer), flush=True)
