import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.decoding.graphs.backend import Backend, BackendOptions
from tests.conftest import SmallModels
from tests.e2e.processes import ROOT, run, server_arguments
from tests.loadtest.slowed_server import slowed
from tests.small_models import SENTENCES


@pytest.mark.nightly  # a ratio of times, which tests beside it would change
def test_a_slowed_step_takes_as_much_longer_as_asked_for(small_model: SmallModels) -> None:
    bundle = small_model("rnn").bundle

    def fastest_step(open_backend: type[Backend]) -> float:
        backend = open_backend(bundle, BackendOptions(1, 1))
        backend.warm_up([bundle.manifest.special_ids.pad])
        times = []
        for _ in range(200):
            started = time.perf_counter()
            backend.step(1)
            times.append(time.perf_counter() - started)
        return min(times)

    assert 2.7 < fastest_step(slowed(3.0)) / fastest_step(Backend) < 3.6


@pytest.mark.nightly
def test_a_slowed_server_translates_as_any_other(model_repository: Path) -> None:
    slow = ["transformer-en-fr", "1.2"]
    command = [sys.executable, "-m", "tests.loadtest.slowed_server", *slow, *server_arguments(model_repository)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.endswith("; transformer-en-fr takes 1.2 times as long for a step\n")
            address = line.removeprefix("serving on ").partition(";")[0]
            for model in ("transformer-en-fr", "lstm-en-fr"):
                done = run("seq2serve", "--server", address, "--model", model, SENTENCES[0])
                assert (done.returncode, done.stderr) == (0, "")
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
