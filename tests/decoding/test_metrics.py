import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

from server.decoding.metrics import Distribution, EngineMetrics, Level

BOUNDS = (0.25, 1, 2.5)

values = st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 10)))


def samples(series: Metric) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for sample in series.samples
        if not sample.name.endswith("_created")
    }


@given(collected=st.lists(values))
def test_a_distribution_becomes_what_the_librarys_histogram_does(collected: list[list[float]]) -> None:
    """`collected`: values between one collection and the next."""
    distribution = Distribution(BOUNDS)
    histogram = Histogram("waits", "Some waits.", ("model",), buckets=BOUNDS, registry=CollectorRegistry())
    expected = histogram.labels("fake")
    for observed in collected:
        for value in observed:
            distribution.observe(value)
            expected.observe(value)
        [theirs] = histogram.collect()
        ours = distribution.histogram("waits", "Some waits.", "fake")
        assert (ours.name, ours.documentation, ours.type) == (theirs.name, theirs.documentation, theirs.type)
        assert samples(ours) == pytest.approx(samples(theirs))


def test_counters_and_gauges_are_named_as_the_library_names_them() -> None:
    metrics = EngineMetrics("fake")
    metrics.joined = 3
    metrics.waiting.set(2, now=1.0)
    counter = Counter("seq2serve_rows_joined_total", "Sentences given a row.", ("model",), registry=CollectorRegistry())
    counter.labels("fake").inc(3)
    gauge = Gauge("seq2serve_waiting", "Sentences that wait for a row.", ("model",), registry=CollectorRegistry())
    gauge.labels("fake").set(2)
    by_name = {series.name: series for series in metrics.collect()}
    for expected in (*counter.collect(), *gauge.collect()):
        ours = by_name[expected.name]
        assert (ours.documentation, ours.type, samples(ours)) == (
            expected.documentation,
            expected.type,
            samples(expected),
        )


def test_what_nobody_collects_does_not_grow() -> None:
    metrics = EngineMetrics("fake")
    for step in range(1000):
        metrics.step_seconds.observe(0.001)
        metrics.queue_seconds.observe(0.001)
        metrics.keep_up()
        assert len(metrics.step_seconds) == len(metrics.queue_seconds) < 200, step
    for _ in range(1000):  # none of which can be encoded
        metrics.queue_seconds.observe(0.001)
        metrics.keep_up()
    assert len(metrics.queue_seconds) < 200
    [queue_seconds, *_] = metrics.collect()
    assert samples(queue_seconds)["seq2serve_queue_seconds_count", frozenset({("model", "fake")})] == 2000


def test_a_level_has_a_number_a_peak_and_an_integral() -> None:
    level = Level()
    for now, number in ((10.0, 3), (12.0, 1), (13.0, 0), (99.0, 2)):
        level.set(number, now)
    assert level.seconds == pytest.approx(3 * 2 + 1)
    assert [level.take_most(), level.take_most()] == [3, 2]
