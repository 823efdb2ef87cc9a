"""How many engines there are, and what the operating system knows of their processes, as Prometheus series."""

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_PREFIX = "seq2serve_engine_"
_LABELS = ("model", "engine")


class ProcessSeries:
    """Those of a process are named as the library names those of its own (`process_resident_memory_bytes`), behind a
    prefix."""

    def __init__(self) -> None:
        self._serving = GaugeMetricFamily("seq2serve_engines", "Engines that serve.", labels=("model",))
        self._restarts = CounterMetricFamily(
            "seq2serve_engine_restarts", "Engines started in the place of one that was lost.", labels=("model",)
        )
        self._by_name: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}

    @property
    def families(self) -> list[Metric]:
        return [self._serving, self._restarts, *self._by_name.values()]

    def count(self, model: str, num_serving: int, num_restarts: int) -> None:
        """Add how many of a model's engines serve, and how many were started again."""
        self._serving.add_metric((model,), num_serving)
        self._restarts.add_metric((model,), num_restarts)

    def add(self, pid: int | None, model: str, number: int) -> None:
        """Add the process of a model's engine; None for an engine that is not running."""
        if pid is None:
            return
        for metric in ProcessCollector(pid=lambda: pid, registry=CollectorRegistry()).collect():
            name = f"{_PREFIX}{metric.name}"
            kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
            family = self._by_name.setdefault(name, kind(name, metric.documentation, labels=_LABELS))
            family.add_metric((model, str(number)), metric.samples[0].value)
