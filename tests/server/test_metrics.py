import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from server.metrics import Distribution, EngineMetrics

BOUNDS = (0.25, 1, 2.5)

values = st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 10)))


@given(collected=st.lists(values))
def test_a_distribution_has_the_samples_of_the_librarys_histogram(collected: list[list[float]]) -> None:
    """`collected`: values between one collection and the next."""
    distribution = Distribution("waits", "Some waits.", "fake", BOUNDS)
    histogram = Histogram("waits", "Some waits.", ("model",), buckets=BOUNDS, registry=CollectorRegistry())
    series = histogram.labels("fake")
    for observed in collected:
        for value in observed:
            distribution.observe(value)
            series.observe(value)
        [ours], [theirs] = distribution.collect(), histogram.collect()
        assert (ours.name, ours.documentation, ours.type) == (theirs.name, theirs.documentation, theirs.type)
        expected = {(one.name, *sorted(one.labels.items())): one.value for one in theirs.samples}
        del expected["waits_created", ("model", "fake")]
        found = {(one.name, *sorted(one.labels.items())): one.value for one in ours.samples}
        assert found.pop(("waits_sum", ("model", "fake"))) == pytest.approx(
            expected.pop(("waits_sum", ("model", "fake")))
        )
        assert found == expected


def test_what_nobody_collects_does_not_grow() -> None:
    metrics = EngineMetrics("fake")
    for step in range(1000):
        metrics.step_seconds.observe(0.001)
        metrics.queue_seconds.observe(0.001)
        metrics.keep_up()
        assert len(metrics.step_seconds) == len(metrics.queue_seconds) < 200, step
    assert metrics.registry.get_sample_value("seq2serve_queue_seconds_count", {"model": "fake"}) == 1000
