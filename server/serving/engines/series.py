"""Series of several engines as those of one."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.samples import Sample


def summed(series: Iterable[Metric]) -> list[Metric]:
    """One series for each name and labels, with the sum of their values: of counters, histograms and gauges alike."""
    families: dict[str, Metric] = {}
    sums: dict[str, dict[tuple[object, ...], Sample]] = {}
    for metric in series:
        families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
        samples = sums.setdefault(metric.name, {})
        for sample in metric.samples:
            key = (sample.name, *sample.labels.items())
            before = samples[key].value if key in samples else 0
            samples[key] = sample._replace(value=before + sample.value)
    for name, samples in sums.items():
        families[name].samples = list(samples.values())
    return list(families.values())


def counted(series: Iterable[Metric]) -> list[Metric]:
    """What has been counted so far and stays true of an engine that has ended; gauges are not."""
    return [metric for metric in series if metric.type != "gauge"]
