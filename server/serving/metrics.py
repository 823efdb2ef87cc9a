"""The Prometheus series of the serving process. Labels come from closed sets: models, methods, status codes; never text
or ids."""

import asyncio
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""A sentence takes 5 ms to 5 s."""

_LAG_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_LAG_INTERVAL = 0.05

_PREFIX = "seq2serve"


@dataclass(frozen=True)
class CacheMetrics:
    hits: Counter
    misses: Counter
    bytes: Gauge


class Metrics:
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
        self.event_loop_lag = Histogram(
            f"{_PREFIX}_event_loop_lag_seconds",
            "How late the event loop comes to what it is to do: the time that a call may wait to be begun.",
            buckets=_LAG_SECONDS,
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


async def watch_lag(lag: Histogram) -> None:
    """Observe how late the event loop is, again and again, until it is cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        lag.observe(max(clock() - due, 0.0))
