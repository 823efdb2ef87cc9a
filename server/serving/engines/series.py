"""Prometheus series of several engines, made those of one."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.samples import Sample


def summed(series: Iterable[Metric]) -> list[Metric]:
    """The sum of series: samples of one name and with the same labels become one, of counters, histograms and gauges
    alike."""
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


def labelled(series: Iterable[Metric], name: str, value: str) -> list[Metric]:
    """The same series with one label more."""
    families = []
    for metric in series:
        family = Metric(metric.name, metric.documentation, metric.type)
        family.samples = [sample._replace(labels={**sample.labels, name: value}) for sample in metric.samples]
        families.append(family)
    return families


def counted(series: Iterable[Metric]) -> list[Metric]:
    """The series that stay true of an engine that has ended: what it has counted, but no gauges."""
    return [metric for metric in series if metric.type != "gauge"]
