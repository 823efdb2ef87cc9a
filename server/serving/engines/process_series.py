"""What the operating system knows of engines' processes, as Prometheus series beside those of the serving process."""

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_PREFIX = "seq2serve_engine_"
_LABELS = ("model", "engine")


class ProcessSeries:
    """Named as the library names those of its own process (`process_resident_memory_bytes`), behind a prefix."""

    def __init__(self) -> None:
        self._by_name: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}

    @property
    def families(self) -> list[Metric]:
        return list(self._by_name.values())

    def add(self, pid: int | None, model: str, number: int) -> None:
        """Add the process of a model's engine; None for an engine that is not running."""
        if pid is None:
            return
        for metric in ProcessCollector(pid=lambda: pid, registry=CollectorRegistry()).collect():
            name = f"{_PREFIX}{metric.name}"
            kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
            family = self._by_name.setdefault(name, kind(name, metric.documentation, labels=_LABELS))
            family.add_metric((model, str(number)), metric.samples[0].value)
