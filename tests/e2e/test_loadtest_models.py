"""What the load test drives: models of several repositories and directions, by the server's own variables."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from loadtest.records import read_records
from tests.conftest import SmallModels
from tests.e2e.processes import DEFAULT_MODEL, run, server_process
from tests.opposite_direction import write_opposite

OPPOSITE = "rnn-fr-en"


class Repositories(NamedTuple):
    english: Path
    """With the default model alone."""
    french: Path


@pytest.fixture(scope="module")
def repositories(small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    folders = Repositories(tmp_path_factory.mktemp("english"), tmp_path_factory.mktemp("french"))
    bundle = small_model(DEFAULT_MODEL.removesuffix("-en-fr")).bundle
    (folders.english / DEFAULT_MODEL).symlink_to(bundle.folder.parent)
    write_opposite(bundle, folders.french)
    return folders


def test_unknown_models_are_refused_at_once_by_one_line(repositories: Repositories, tmp_path: Path) -> None:
    serves = [f"--model-repository={repositories.english}", f"--default-model={DEFAULT_MODEL}"]
    started = time.monotonic()
    done = run("loadtest", *serves, "--model=x", f"--model={DEFAULT_MODEL}", "--seconds=900", f"--output={tmp_path}")
    assert time.monotonic() - started < 60
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no model 'x' is served; served: {DEFAULT_MODEL}\n"
    assert read_records(tmp_path / "records.jsonl") == []


@pytest.mark.nightly
def test_the_server_s_variables_are_its_own_and_flags_win(
    repositories: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SERVE_MODEL_REPOSITORY", os.pathsep.join(map(str, repositories)))
    monkeypatch.setenv("SEQ2SERVE_DEFAULT_MODEL", "nowhere")
    monkeypatch.setenv("SEQ2SERVE_MAX_CONTENTS", "3")
    arguments = ["--users=1", "--seconds=1", "--rounds=1", f"--output={tmp_path}"]
    done = run("loadtest", *arguments, f"--default-model={OPPOSITE}")
    assert done.returncode == 0, done.stderr
    records = read_records(tmp_path / "records.jsonl")
    assert list(dict.fromkeys(record.case.name for record in records)) == [OPPOSITE, DEFAULT_MODEL]
    assert all(record.latencies_ms and not record.errors for record in records)
    refused = run("loadtest", *arguments)
    assert refused.returncode == 1
    problem = f"error: default_model: no model 'nowhere' is served; {repositories.english} has {DEFAULT_MODEL}"
    assert problem in refused.stderr


@pytest.mark.nightly
def test_locust_refuses_a_model_that_a_running_server_has_not(repositories: Repositories) -> None:
    with server_process(repositories.english) as server:
        locust = ["-f", "loadtest/locustfile.py", "--headless", "--host", server.address, "--run-time=1s", "--users=1"]
        driven = run("locust", *locust)
        assert driven.returncode == 0, driven.stderr
        refused = run("locust", *locust, "--model=x")
        assert refused.returncode == 1
        assert f"ERROR/locustfile: no model 'x' is served; served: {DEFAULT_MODEL}\n" in refused.stderr
        assert "Traceback" not in refused.stderr
        options = run("locust", *locust, '--decoding={"beam": 4}')
        assert options.returncode == 1
        assert "ERROR/locustfile: " in options.stderr
        assert "Traceback" not in options.stderr
    gone = run("locust", *locust)
    assert gone.returncode == 1
    assert "ERROR/locustfile: UNAVAILABLE: " in gone.stderr
    assert "Traceback" not in gone.stderr
