"""Two generators that share no code, Locust's greenlets and the benchmark's asyncio, see the same server alike."""

import math

import pytest

from bench.process import Child
from loadtest.generators import Generators
from tests.loadtest.faulty_server import Faults, faulty_server
from tests.loadtest.test_generators import ORDER, percentile

RATE, SECONDS = 60.0, 2.0


@pytest.mark.nightly
def test_both_measure_the_same_latencies() -> None:
    delays = [0.3 + 0.5 * math.sqrt(index * 7 % 40 / 40) for index in range(40)]
    with faulty_server(Faults(delays=delays)) as (address, service):
        with Generators({"address": address}) as generators:
            ours = generators.drive(**(ORDER | {"rate": RATE, "seconds": SECONDS}))["latencies_ms"]
        service.meet(Faults(delays=delays))
        other = Child("the benchmark's generator", ["bench.open_loop", address])
        other.tell(model="fast", texts=["one"], rate=RATE, seconds=SECONDS, seed=[1])
        other.read()
        theirs = other.read()["latencies"]["OK"]
        other.close()
    assert len(ours) == pytest.approx(len(theirs), rel=0.3)
    for percent in (25, 50, 75, 90):
        assert percentile(ours, percent) == pytest.approx(percentile(theirs, percent), rel=0.1)
