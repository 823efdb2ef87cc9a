from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from server.decoding.metrics import EngineMetrics
from server.serving.engines.series import counted, summed


def measured(model: str, steps: list[float], active_rows: int) -> list[Metric]:
    metrics = EngineMetrics(model)
    for seconds in steps:
        metrics.step_seconds.observe(seconds)
    metrics.rows.set(active_rows, now=0.0)
    metrics.source_tokens = len(steps)
    return metrics.collect()


def value(series: list[Metric], name: str, **labels: str) -> float:
    [found] = [s.value for metric in series for s in metric.samples if s.name == name and s.labels == labels]
    return found


def test_series_of_one_model_are_added_up_sample_by_sample_and_those_of_others_kept_apart() -> None:
    series = summed([*measured("a", [0.1, 0.0001], 2), *measured("b", [9.0], 7), *measured("a", [0.1], 3)])
    assert value(series, "seq2serve_step_seconds_count", model="a") == 3
    assert value(series, "seq2serve_step_seconds_sum", model="a") == 0.1 + 0.0001 + 0.1
    assert value(series, "seq2serve_step_seconds_bucket", model="a", le="0.00025") == 1
    assert value(series, "seq2serve_step_seconds_bucket", model="a", le="+Inf") == 3
    assert value(series, "seq2serve_active_rows", model="a") == 5
    assert value(series, "seq2serve_active_rows", model="b") == 7
    assert value(series, "seq2serve_tokens_total", model="a", direction="source") == 3


def test_what_is_added_is_not_changed() -> None:
    one = measured("a", [0.1], 2)
    summed([*one, *one])
    assert value(one, "seq2serve_step_seconds_count", model="a") == 1


def test_what_has_been_counted_outlives_an_engine_and_its_gauges_do_not() -> None:
    names = {metric.name for metric in counted(measured("a", [0.1], 2))}
    assert {"seq2serve_step_seconds", "seq2serve_tokens"} <= names
    assert not names & {"seq2serve_active_rows", "seq2serve_waiting", "seq2serve_reserved_rows"}


def test_sums_are_shown_as_those_of_one_engine_are() -> None:
    class Shown(Collector):
        def __init__(self, series: list[Metric]) -> None:
            self._series = series

        def collect(self) -> list[Metric]:
            return self._series

    def shown(series: list[Metric]) -> bytes:
        registry = CollectorRegistry()
        registry.register(Shown(series))
        return generate_latest(registry)

    assert shown(summed(measured("a", [0.1], 2))) == shown(measured("a", [0.1], 2))
