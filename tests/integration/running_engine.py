"""An engine over a backend of integers, whose steps and clock the test moves by hand."""

from server.decoding.engine import Engine, Fetch
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.sentence import Sentence
from tests.fakes import ENDLESS, EOS, MANIFEST, NO_PIECES, FakeBackend, FakeClock, Outcomes, greedy, post, translate

LIMIT = 20
MANY_TURNS = 10_000
"""More than any test needs."""


class Running:
    """An engine, what it runs on, and what it has told."""

    def __init__(
        self,
        max_rows: int = 4,
        max_joining_tokens: int = 1000,
        max_ahead_bytes: int = 1_000_000,
        fetch: Fetch | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.backend = FakeBackend(max_rows)
        self.outcomes = Outcomes()
        self.engine = Engine(
            MANIFEST,
            self.backend,
            NO_PIECES,
            Limits(max_rows, max_joining_tokens, max_ahead_bytes),
            post,
            EngineMetrics("fake"),
            self.clock,
            fetch,
        )

    def submit(
        self,
        *sources: list[int],
        limit: int = LIMIT,
        timeout: float = 1e9,
        streams: bool = False,
        caller: str = "",
        request: int = 0,
    ) -> list[int]:
        """Each source is also the key of its outcome."""
        return self.engine.submit(
            [
                Sentence(
                    source,
                    greedy(limit),
                    self.outcomes.listener(tuple(source)),
                    self.clock() + timeout,
                    streams,
                    caller=caller,
                    request=request,
                )
                for source in sources
            ]
        )

    def turn(self, number: int = 1) -> None:
        for _ in range(number):
            self.engine.turn()

    def run(self) -> None:
        """Until all is done."""
        for _ in range(MANY_TURNS):
            if not self.engine.turn():
                return
        raise AssertionError("the loop does not end")

    def assert_translated(self, *sources: list[int], limit: int = LIMIT) -> None:
        for source in sources:
            assert self.outcomes.ends(tuple(source)) == [translate(source, limit)]

    def metric(self, name: str, **labels: str) -> float:
        [value] = [
            sample.value
            for series in self.engine.collect()
            for sample in series.samples
            if sample.name == f"seq2serve_{name}" and sample.labels == labels | {"model": "fake"}
        ]
        return value


def endless(name: int) -> list[int]:
    return [ENDLESS, name, EOS]
