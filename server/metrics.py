"""The Prometheus series. Labels come from closed sets: models, methods, status codes; never text or ids."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""A sentence takes 5 ms to 5 s."""

_STEP_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_COUNTED_AT_ONCE = 100
"""Steps."""

_PREFIX = "seq2serve"


@dataclass(frozen=True)
class CacheMetrics:
    hits: Counter
    misses: Counter
    bytes: Gauge


class Metrics:
    """Of the serving process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        rpc = ("grpc_type", "grpc_service", "grpc_method")
        self.rpc_started = Counter("grpc_server_started_total", "RPCs started.", rpc, registry=registry)
        self.rpc_handled = Counter(
            "grpc_server_handled_total", "RPCs completed, by status code.", (*rpc, "grpc_code"), registry=registry
        )
        self.rpc_seconds = Histogram(
            "grpc_server_handling_seconds", "Time to handle an RPC.", rpc, buckets=_SECONDS, registry=registry
        )
        self.request_seconds = Histogram(
            f"{_PREFIX}_request_seconds",
            "From a valid request to its end.",
            ("model", "outcome"),
            buckets=_SECONDS,
            registry=registry,
        )
        lookups = Counter(
            f"{_PREFIX}_cache_lookups_total", "Sentences looked up in the cache.", ("result",), registry=registry
        )
        self.cache = CacheMetrics(
            hits=lookups.labels("hit"),
            misses=lookups.labels("miss"),
            bytes=Gauge(f"{_PREFIX}_cache_bytes", "Size of the cached translations.", registry=registry),
        )


class Distribution(Collector):
    """A histogram of one thread's, as the library's but for its time: that counts each value at once, under a lock, and
    took a fiftieth of an engine's time. Values are kept, and counted many together, amid which one takes far less: what
    runs once a step has left the processor's caches by the next."""

    def __init__(self, name: str, documentation: str, model: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._model = model
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        """Of values up to each bound, and of larger ones."""
        self._sum = 0.0
        self._observed: list[float] = []
        self.observe = self._observed.append

    def __len__(self) -> int:
        """Of values that are not counted yet."""
        return len(self._observed)

    def count(self) -> None:
        for value in self._observed:
            self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += sum(self._observed)
        self._observed.clear()

    def collect(self) -> Iterable[Metric]:
        self.count()
        family = HistogramMetricFamily(self._name, self._documentation, labels=("model",))
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        family.add_metric((self._model,), list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)
        yield family


class EngineMetrics:
    """Of one model's engine, in the decoding process. All of it is the engine's thread's."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        self._model = model
        self._distributions: list[Distribution] = []
        self.queue_seconds = self._distribution("queue_seconds", "Wait for a row.", _SECONDS)
        self.first_token_seconds = self._distribution(
            "time_to_first_token_seconds", "From submission to the first output token.", _SECONDS
        )
        self.encode_seconds = self._distribution("encode_seconds", "One encoder run.", _STEP_SECONDS)
        self.step_seconds = self._distribution("step_seconds", "One decoder step of all rows.", _STEP_SECONDS)
        self.batch_rows = self._distribution("batch_rows", "Rows in a step.", _ROWS)
        self.active_rows = self._gauge("active_rows", "Rows of the running batch.")
        self.reserved_rows = self._gauge("reserved_rows", "Rows kept for the hypotheses of running sentences.")
        self.waiting = self._gauge("waiting", "Sentences that wait for a row.")
        self.joined = self._counter("rows_joined_total", "Sentences given a row.").labels(model)
        self.left = self._counter("rows_left_total", "Sentences that left.").labels(model)
        tokens = self._counter("tokens_total", "Tokens read, and of finished translations.", "direction")
        self.source_tokens = tokens.labels(model, "source")
        self.output_tokens = tokens.labels(model, "output")

    def keep_up(self) -> None:
        """To be called after every step: no more is left to be counted than takes a fraction of one."""
        if len(self.step_seconds) >= _COUNTED_AT_ONCE:
            for distribution in self._distributions:
                distribution.count()

    def _distribution(self, name: str, documentation: str, bounds: Sequence[float]) -> Distribution:
        distribution = Distribution(f"{_PREFIX}_{name}", documentation, self._model, bounds)
        self.registry.register(distribution)
        self._distributions.append(distribution)
        return distribution

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", documentation, ("model",), registry=self.registry).labels(self._model)

    def _counter(self, name: str, documentation: str, *further_labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", documentation, ("model", *further_labels), registry=self.registry)
