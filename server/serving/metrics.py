"""The Prometheus series of the serving process. Labels come from closed sets: models, methods, status codes, reasons;
never text or ids."""

import asyncio
import contextlib
import platform
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from server.bundle.manifest import Manifest
from server.errors import (
    DeadlineExceeded,
    EngineFailed,
    EngineLost,
    NotServing,
    Overloaded,
    QueueFull,
    RateLimited,
    RoleMissing,
    SentenceFailed,
    TooManyCalls,
    Unauthenticated,
    UnknownMethod,
    Unreadable,
)

disable_created_metrics()  # a series more for each, which says when a process first counted something

_SECONDS = (0.00025, 0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""A sentence takes from a millisecond, of a small model that has nothing else to do, to seconds."""

_LAG_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_LAG_INTERVAL = 0.05

_PREFIX = "seq2serve"

_VERSION = ("model", "version")
"""Labels of what is counted by version: those that are served, and no others."""

OK, CANCELLED, FAILED = "ok", "cancelled", "failed"
_ERRORS = (
    Overloaded,
    QueueFull,
    RateLimited,
    NotServing,
    DeadlineExceeded,
    EngineLost,
    SentenceFailed,
    EngineFailed,
    Unauthenticated,
)
OUTCOMES = (OK, CANCELLED, FAILED, *(error.reason.lower() for error in _ERRORS))
"""How a valid request may end; behind the first three, reasons of errors."""

_REFUSALS = (
    Unauthenticated,
    RoleMissing,
    RateLimited,
    TooManyCalls,
    Overloaded,
    QueueFull,
    NotServing,
    UnknownMethod,
    Unreadable,
)
"""Errors of calls that were refused before anything was decoded."""


@dataclass(frozen=True)
class CacheMetrics:
    hits: Counter
    misses: Counter
    bytes: Gauge


@dataclass
class Tally:
    """Requests that ended, and how long they took together."""

    number: int = 0
    num_contents: int = 0
    """Of all of them."""
    seconds: float = 0.0


@dataclass(frozen=True)
class RequestMetrics:
    """How requests end, by the version of the model that answers, and by outcome."""

    seconds: Histogram
    ended: Counter
    answered: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By model and version, for protocols that tell it; as are the others, which were not answered."""
    failed: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def know(self, model: str, version: str) -> None:
        """Let the series of a version begin at 0: of one that is born with its first request, a rate does not see that
        request."""
        self.seconds.labels(model, version, OK)
        for outcome in OUTCOMES:
            self.ended.labels(model, version, outcome)

    def forget(self, model: str, version: str) -> None:
        """Show a version that is served no longer no more."""
        for outcome in OUTCOMES:
            for series in (self.seconds, self.ended):
                with contextlib.suppress(KeyError):  # of outcomes that never were
                    series.remove(model, version, outcome)
        for tallies in (self.answered, self.failed):
            tallies.pop((model, version), None)

    def end(self, model: str, version: str, outcome: str, seconds: float, num_contents: int) -> None:
        """Note the end of a valid request."""
        self.seconds.labels(model, version, outcome).observe(seconds)
        self.ended.labels(model, version, outcome).inc()
        tally = (self.answered if outcome == OK else self.failed)[model, version]
        tally.number += 1
        tally.num_contents += num_contents
        tally.seconds += seconds


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info(f"{_PREFIX}_build", "What serves.", registry=registry).info(versions())
        self._models = Info(f"{_PREFIX}_model", "A model that is served.", _VERSION, registry=registry)
        rpc = ("grpc_type", "grpc_service", "grpc_method")
        self.rpc_started = Counter("grpc_server_started_total", "RPCs started.", rpc, registry=registry)
        self.rpc_handled = Counter(
            "grpc_server_handled_total", "RPCs completed, by status code.", (*rpc, "grpc_code"), registry=registry
        )
        self.rpc_seconds = Histogram(
            "grpc_server_handling_seconds", "Time to handle an RPC.", rpc, buckets=_SECONDS, registry=registry
        )
        self.requests = RequestMetrics(
            Histogram(
                f"{_PREFIX}_request_seconds",
                "From a valid request to its end.",
                (*_VERSION, "outcome"),
                buckets=_SECONDS,
                registry=registry,
            ),
            Counter(f"{_PREFIX}_requests", "Valid requests that ended.", (*_VERSION, "outcome"), registry=registry),
        )
        self.event_loop_lag = Histogram(
            f"{_PREFIX}_event_loop_lag_seconds",
            "How late the event loop comes to what it is to do: the time that a call may wait to be begun.",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        refused = Counter(f"{_PREFIX}_refused_calls", "Calls that were refused.", ("reason",), registry=registry)
        self.refused = {error.reason: refused.labels(error.reason.lower()) for error in _REFUSALS}
        """By the reason of an error."""
        self.reload_successful = Gauge(
            f"{_PREFIX}_last_reload_successful",
            "Whether files could be used when they last changed; if not, what was read before is in force.",
            ("files",),
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            f"{_PREFIX}_tls_certificate_expiry_timestamp_seconds",
            "When the first certificate of a file expires.",
            ("file",),
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

    def know(self, manifest: Manifest) -> None:
        """Say that a version of a model is served, and let its series begin at 0."""
        self.requests.know(manifest.name, manifest.version)
        described = {"architecture": manifest.architecture, "precision": manifest.precision}
        self._models.labels(manifest.name, manifest.version).info(described)

    def forget(self, manifest: Manifest) -> None:
        """Show no series of a version that is served no longer."""
        self.requests.forget(manifest.name, manifest.version)
        self._models.remove(manifest.name, manifest.version)


def versions() -> dict[str, str]:
    """Of this project, where it is installed, and of what decides how it behaves."""
    found = {"python": platform.python_version()}
    for package in ("seq2serve", "grpcio", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


async def watch_lag(lag: Histogram) -> None:
    """Observe how late the event loop is, again and again, until it is cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        lag.observe(max(clock() - due, 0.0))
