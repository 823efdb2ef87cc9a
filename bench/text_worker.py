"""How a process translates texts for the benchmark: lines of JSON in, lines of JSON out. It needs the standard library
alone, as a toolkit may need an environment of its own."""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from loadtest.memory import forget_peak, memory_megabytes


class TextSystem(ABC):
    settings: Sequence[int]
    """Numbers of rows, or of sentences in a batch (of tokens, where they are below 0); the fastest is chosen."""

    @abstractmethod
    def translate(self, texts: Sequence[str], beam_size: int, setting: int) -> list[str]:
        """The best translation of each text, which is one sentence."""


def work(system: TextSystem) -> None:
    """Answer every order with the seconds that it took (a list of those of each text, where it asks for one by one),
    the translations, and the most memory that was held."""
    print(json.dumps({"settings": list(system.settings)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        texts, one_by_one = order.pop("texts"), order.pop("one_by_one", False)
        taken, outputs = [], []
        forget_peak(os.getpid())
        for batch in [[text] for text in texts] if one_by_one else [texts]:
            started = time.perf_counter()
            outputs += system.translate(batch, **order)
            taken.append(time.perf_counter() - started)
        answer = {
            "seconds": taken if one_by_one else sum(taken),
            "outputs": outputs,
            "peak_megabytes": memory_megabytes(os.getpid())["VmHWM"],
        }
        print(json.dumps(answer), flush=True)
