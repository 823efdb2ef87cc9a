"""An engine over a backend of integers, whose steps and clock the test moves by hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry

from server.engine import Engine
from server.metrics import DecodingMetrics
from server.scheduler import Limits
from server.sentence import Sentence
from tests.fakes import ENDLESS, EOS, MANIFEST, FakeBackend, FakeClock, Gate, Outcomes, greedy, post, translate

LIMIT = 20


class Running:
    """A started engine, what it runs on, and what it has told."""

    def __init__(self, max_rows: int, max_waiting: int, max_joining_tokens: int) -> None:
        self.gate = Gate()
        self.clock = FakeClock()
        self.backend = FakeBackend(max_rows, self.gate)
        self.outcomes = Outcomes()
        self.has_failed = threading.Event()
        self.registry: CollectorRegistry
        metrics = DecodingMetrics()
        self.registry = metrics.registry
        self.engine = Engine(
            MANIFEST,
            self.backend,
            Limits(max_rows, max_joining_tokens),
            max_waiting,
            post,
            metrics.engine("fake"),
            self.has_failed.set,
            self.clock,
        )

    def submit(self, *sources: list[int], limit: int = LIMIT, timeout: float = 1e9, streams: bool = False) -> list[int]:
        """Each source is also the key of its outcome."""
        return self.engine.submit(
            [
                Sentence(source, greedy(limit), self.outcomes.listener(tuple(source)), self.clock() + timeout, streams)
                for source in sources
            ]
        )

    def assert_translated(self, *sources: list[int], limit: int = LIMIT) -> None:
        for source in sources:
            self.outcomes.wait(tuple(source))
            assert self.outcomes.ends(tuple(source)) == [translate(source, limit)]

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"seq2serve_{name}", {"model": "fake"})


@contextmanager
def running(max_rows: int = 4, max_waiting: int = 100, max_joining_tokens: int = 1000) -> Iterator[Running]:
    made = Running(max_rows, max_waiting, max_joining_tokens)
    made.engine.start()
    try:
        yield made
    finally:
        made.gate.open()
        made.engine.close()


def endless(name: int) -> list[int]:
    return [ENDLESS, name, EOS]
