"""The Prometheus series. Labels come from closed sets: models, methods, status codes; never text or ids."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""A sentence takes 5 ms to 5 s."""

_STEP_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


_PREFIX = "seq2serve"


@dataclass(frozen=True)
class EngineMetrics:
    """One model's series."""

    queue_seconds: Histogram
    first_token_seconds: Histogram
    encode_seconds: Histogram
    step_seconds: Histogram
    batch_rows: Histogram
    active_rows: Gauge
    reserved_rows: Gauge
    waiting: Gauge
    joined: Counter
    left: Counter
    source_tokens: Counter
    output_tokens: Counter


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


class DecodingMetrics:
    """Of the decoding process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        model = ("model",)
        self._queue_seconds = Histogram(
            f"{_PREFIX}_queue_seconds", "Wait for a row.", model, buckets=_SECONDS, registry=registry
        )
        self._first_token_seconds = Histogram(
            f"{_PREFIX}_time_to_first_token_seconds",
            "From submission to the first output token.",
            model,
            buckets=_SECONDS,
            registry=registry,
        )
        self._encode_seconds = Histogram(
            f"{_PREFIX}_encode_seconds", "One encoder run.", model, buckets=_STEP_SECONDS, registry=registry
        )
        self._step_seconds = Histogram(
            f"{_PREFIX}_step_seconds", "One decoder step of all rows.", model, buckets=_STEP_SECONDS, registry=registry
        )
        rows = f"{_PREFIX}_batch_rows"
        self._batch_rows = Histogram(rows, "Rows in a step.", model, buckets=_ROWS, registry=registry)
        self._active_rows = Gauge(f"{_PREFIX}_active_rows", "Rows of the running batch.", model, registry=registry)
        self._reserved_rows = Gauge(
            f"{_PREFIX}_reserved_rows", "Rows kept for the hypotheses of running sentences.", model, registry=registry
        )
        self._waiting = Gauge(f"{_PREFIX}_waiting", "Sentences that wait for a row.", model, registry=registry)
        self._rows_joined = Counter(f"{_PREFIX}_rows_joined_total", "Sentences given a row.", model, registry=registry)
        self._rows_left = Counter(f"{_PREFIX}_rows_left_total", "Sentences that left.", model, registry=registry)
        self._tokens = Counter(
            f"{_PREFIX}_tokens_total",
            "Tokens read, and of finished translations.",
            (*model, "direction"),
            registry=registry,
        )

    def engine(self, model: str) -> EngineMetrics:
        return EngineMetrics(
            queue_seconds=self._queue_seconds.labels(model),
            first_token_seconds=self._first_token_seconds.labels(model),
            encode_seconds=self._encode_seconds.labels(model),
            step_seconds=self._step_seconds.labels(model),
            batch_rows=self._batch_rows.labels(model),
            active_rows=self._active_rows.labels(model),
            reserved_rows=self._reserved_rows.labels(model),
            waiting=self._waiting.labels(model),
            joined=self._rows_joined.labels(model),
            left=self._rows_left.labels(model),
            source_tokens=self._tokens.labels(model, "source"),
            output_tokens=self._tokens.labels(model, "output"),
        )
