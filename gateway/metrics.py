"""What the gateway does, as Prometheus series. Labels come from closed sets: routes, methods, statuses; never texts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

disable_created_metrics()  # a series more for each, which says when a process first counted something

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("route", "method", "status")
        self._requests = Counter(
            "seq2serve_gateway_requests", "Requests answered; status 499 where the client left.", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "seq2serve_gateway_request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.running = Gauge(
            "seq2serve_gateway_running_requests", "Requests that are being answered.", registry=self.registry
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)
