"""What became of a request on its way: which model answered it, how long each phase took, how much there was. Numbers
and names alone, never text."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from server.messages.sentence import Finished

QUEUE, ENCODE, DECODE, DETOKENISE = "queue", "encode", "decode", "detokenise"


class Phase(NamedTuple):
    """From the first sentence's start to the last one's end, on the clock of `time.monotonic`. Phases of requests with
    several sentences overlap."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass
class RequestRecord:
    """Written while a request is answered, and read by the log and by traces when it has ended."""

    model: str = ""
    """Empty, as is the version, before a model was chosen."""
    version: str = ""
    num_source_tokens: int = 0
    """Source tokens that were decoded; what the cache had is not counted."""
    num_output_tokens: int = 0
    """Tokens of the best translations that are finished, their ends included."""
    phases: dict[str, Phase] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, str | int]:
        """Which model answered, and how much there was, by name; empty before a model was chosen."""
        if not self.model:
            return {}
        return {
            "model": self.model,
            "version": self.version,
            "source_tokens": self.num_source_tokens,
            "output_tokens": self.num_output_tokens,
        }

    def add(self, name: str, start: float, end: float) -> None:
        """Widen a phase, so that it holds this time as well."""
        if known := self.phases.get(name):
            start, end = min(start, known.start), max(end, known.end)
        self.phases[name] = Phase(start, end)

    def take(self, finished: Finished) -> None:
        """Note a sentence that an engine, or the cache, has finished."""
        self.num_output_tokens += finished.hypotheses[0].num_scored
        if times := finished.times:
            self.add(QUEUE, times.submitted, times.chosen)
            self.add(ENCODE, times.encode_start, times.encode_end)
            self.add(DECODE, times.joined, times.ended)

    @contextmanager
    def detokenising(self) -> Iterator[None]:
        """Around the making of text from tokens, turns of the event loop that others have meanwhile included."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(DETOKENISE, start, time.monotonic())
