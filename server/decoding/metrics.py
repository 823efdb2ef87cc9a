"""What one engine measures, as Prometheus series. Labels come from closed sets: models; never text or ids."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

_SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.00075,
    0.001,
    0.0015,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
)
"""A first token of a small model that has nothing else to do takes a millisecond; at the limit, sentences take
seconds."""

_STEP_SECONDS = (
    *(0.00005, 0.000075, 0.0001, 0.00015, 0.00025, 0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25),
)
"""A step of one row takes 50 to 100 microseconds of the small models, and of 64 rows at OPUS-MT's size 8 ms."""

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_COUNTED_AT_ONCE = 100
"""Steps whose values are counted together."""

_PREFIX = "seq2serve"

FailureReason = Literal["encode", "join", "scores", "search", "step"]
"""Why a sentence failed, in an engine that goes on: its encoder run raised; it could not join with what it asks for;
its log-probabilities are none; its search raised; or the step of all running sentences did."""

Place = Literal["queue", "batch"]
"""Where a sentence was when it was dropped."""


class Distribution:
    """Values that become a histogram. They are kept, and counted many at a time: code that runs once a step has left
    the processor's caches by the next, so that a value takes far less time amid others."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        """Numbers of values: of those up to each bound, above the one before it; last of all larger ones."""
        self._sum = 0.0
        self._observed: list[float] = []
        self.observe = self._observed.append

    def __len__(self) -> int:
        """Number of values that are not counted yet."""
        return len(self._observed)

    def count(self) -> None:
        """Count the values that are kept."""
        for value in self._observed:
            self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += sum(self._observed)
        self._observed.clear()

    def histogram(self, name: str, documentation: str, model: str) -> Metric:
        self.count()
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        series = HistogramMetricFamily(name, documentation, labels=("model",))
        series.add_metric((model,), buckets, self._sum)
        return series


class Level:
    """A number that changes in time, as that of the rows which are held: what it is, the most that it was, and its
    integral over time, whose rate is its average however short it was there."""

    def __init__(self) -> None:
        self.number = 0
        self.seconds = 0.0
        self._most = 0
        self._since = 0.0

    def set(self, number: int, now: float) -> None:
        self.seconds += self.number * (now - self._since)
        self.number, self._since = number, now
        self._most = max(self._most, number)

    def add(self, seconds: float) -> None:
        """Add time in which something counted that was not known here yet."""
        self.seconds += seconds

    def take_most(self) -> int:
        """The most since this was last called."""
        most, self._most = self._most, self.number
        return most


class EngineMetrics:
    """What one model's engine measures. Used by the engine's thread alone: plain numbers, which become series when
    somebody asks for them.

    prometheus_client's own counters take a lock, which took a fortieth of an engine's time.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self.queue_seconds = Distribution(_SECONDS)
        self.first_token_seconds = Distribution(_SECONDS)
        self.encode_seconds = Distribution(_STEP_SECONDS)
        self.step_seconds = Distribution(_STEP_SECONDS)
        self.batch_rows = Distribution(_ROWS)
        self.rows = Level()
        self.waiting = Level()
        self.reserved_rows = 0
        self.joined = 0
        self.left = 0
        self.dropped: dict[Place, int] = dict.fromkeys(get_args(Place), 0)
        self.unwritten_tokens = 0
        self.padding_tokens = 0
        self.source_tokens = 0
        self.output_tokens = 0
        self.failed: dict[FailureReason, int] = dict.fromkeys(get_args(FailureReason), 0)

    def drop(self, place: "Place", num_unwritten: int) -> None:
        """Note a sentence that nobody waits for any more, and how many tokens it might still have written."""
        self.dropped[place] += 1
        self.unwritten_tokens += num_unwritten

    def keep_up(self) -> None:
        """Count what was observed, every `_COUNTED_AT_ONCE` steps, so that this takes no more than a fraction of a
        step. To be called in every turn."""
        if len(self.step_seconds) < _COUNTED_AT_ONCE and len(self.queue_seconds) < _COUNTED_AT_ONCE:
            return
        for value in vars(self).values():
            if isinstance(value, Distribution):
                value.count()

    def collect(self) -> list[Metric]:
        tokens = CounterMetricFamily(
            f"{_PREFIX}_tokens", "Tokens read, and of finished translations.", labels=("model", "direction")
        )
        tokens.add_metric((self._model, "source"), self.source_tokens)
        tokens.add_metric((self._model, "output"), self.output_tokens)
        failed = CounterMetricFamily(
            f"{_PREFIX}_failed_sentences", "Sentences that failed inside the engine.", labels=("model", "reason")
        )
        for reason, number in self.failed.items():
            failed.add_metric((self._model, reason), number)
        dropped = CounterMetricFamily(
            f"{_PREFIX}_dropped_sentences",
            "Sentences that were cancelled, or whose deadline passed.",
            labels=("model", "place"),
        )
        for place, number in self.dropped.items():
            dropped.add_metric((self._model, place), number)
        return [
            self._histogram("queue_seconds", "Wait for a row.", self.queue_seconds),
            self._histogram(
                "time_to_first_token_seconds",
                "From submission to the first output token.",
                self.first_token_seconds,
            ),
            self._histogram("encode_seconds", "One encoder run.", self.encode_seconds),
            self._histogram("step_seconds", "One decoder step of all rows.", self.step_seconds),
            self._histogram("batch_rows", "Rows in a step.", self.batch_rows),
            self._gauge("active_rows", "Rows of the running batch.", self.rows.number),
            self._gauge("most_active_rows", "The most rows since the last scrape.", self.rows.take_most()),
            self._gauge("reserved_rows", "Rows kept for the hypotheses of running sentences.", self.reserved_rows),
            self._gauge("waiting", "Sentences that wait for a row.", self.waiting.number),
            self._gauge(
                "most_waiting", "The most sentences that waited since the last scrape.", self.waiting.take_most()
            ),
            self._counter("row_seconds", "Rows times the time that they are held.", self.rows.seconds),
            self._counter("waiting_seconds", "Waiting sentences times their time.", self.waiting.seconds),
            self._counter("rows_joined", "Sentences given a row.", self.joined),
            self._counter("rows_left", "Sentences that left.", self.left),
            self._counter("padding_tokens", "Source tokens that the encoder read as padding.", self.padding_tokens),
            self._counter(
                "unwritten_tokens",
                "Tokens that dropped sentences were still allowed to write: no more than so many were saved.",
                self.unwritten_tokens,
            ),
            tokens,
            failed,
            dropped,
        ]

    def _histogram(self, name: str, documentation: str, values: Distribution) -> Metric:
        return values.histogram(f"{_PREFIX}_{name}", documentation, self._model)

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        series = GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, labels=("model",))
        series.add_metric((self._model,), value)
        return series

    def _counter(self, name: str, documentation: str, value: float) -> Metric:
        series = CounterMetricFamily(f"{_PREFIX}_{name}", documentation, labels=("model",))
        series.add_metric((self._model,), value)
        return series
