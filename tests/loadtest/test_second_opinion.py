"""Generators that share no code see the same server alike: Locust's greenlets, the benchmark's asyncio, and k6."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.process import Child
from loadtest.generators import Generators
from tests.loadtest.faulty_server import Faults, faulty_server
from tests.loadtest.test_generators import ORDER, percentile

RATE, SECONDS = 60.0, 2.0

DELAYS = [0.3 + 0.5 * math.sqrt(index * 7 % 40 / 40) for index in range(40)]


K6 = shutil.which("k6", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.nightly
def test_both_measure_the_same_latencies() -> None:
    with faulty_server(Faults(delays=DELAYS)) as (address, service):
        with Generators({"address": address}) as generators:
            ours = generators.drive(**(ORDER | {"rate": RATE, "seconds": SECONDS}))["latencies_ms"]
        service.meet(Faults(delays=DELAYS))
        other = Child("the benchmark's generator", ["bench.open_loop", address])
        other.tell(model="fast", texts=["one"], rate=RATE, seconds=SECONDS, seed=[1])
        other.read()
        theirs = other.read()["latencies"]["OK"]
        other.close()
    assert len(ours) == pytest.approx(len(theirs), rel=0.3)
    for percent in (25, 50, 75, 90):
        assert percentile(ours, percent) == pytest.approx(percentile(theirs, percent), rel=0.1)


@pytest.mark.nightly
@pytest.mark.skipif(K6 is None, reason="k6, of the extra peers, is not there")
def test_k6_measures_the_same_latencies(tmp_path: Path) -> None:
    summary, script = tmp_path / "summary.json", Path(__file__).with_name("second_opinion.js")
    with faulty_server(Faults(delays=DELAYS)) as (address, service):
        with Generators({"address": address}) as generators:
            ours = generators.drive(**(ORDER | {"rate": RATE, "seconds": 2 * SECONDS}))["latencies_ms"]
        service.meet(Faults(delays=DELAYS))
        variables = {"ADDRESS": address, "RATE": f"{RATE:.0f}", "SECONDS": f"{2 * SECONDS:.0f}"}
        command = [str(K6), "run", "--quiet", "--no-usage-report", f"--summary-export={summary}", str(script)]
        result = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    theirs = json.loads(summary.read_text(encoding="utf-8"))["metrics"]["grpc_req_duration"]
    for percent in (25, 50, 75, 90):
        assert percentile(ours, percent) == pytest.approx(theirs[f"p({percent})"], rel=0.1)
