"""Runs of the load test against a server whose delays are known: they find its knee, can be stopped and go on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from loadtest.records import read_records
from tests.e2e.processes import ROOT, run
from tests.fakes import PATIENCE
from tests.loadtest.faulty_server import Faults, faulty_server


@pytest.mark.nightly
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    with faulty_server(Faults()) as (address, _):
        arguments = [
            f"--address={address}",
            "--quick",
            "--rate=30",
            "--seconds=0.3",
            "--rounds=4",
            f"--output={tmp_path}",
        ]
        command = [sys.executable, "-m", "loadtest", *arguments]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as first:
            while len(read_records(tmp_path / "records.jsonl")) < 2 and first.poll() is None:
                time.sleep(0.05)
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 128 + signal.SIGTERM
        before = read_records(tmp_path / "records.jsonl")
        assert 2 <= len(before) < 16
        done = run("loadtest", *arguments)
        assert done.returncode == 0, done.stderr
        assert f"goes on after {len(before)} measurements" in done.stdout
        after = read_records(tmp_path / "records.jsonl")
        assert after[: len(before)] == before
        made = {(record.round, record.case.name) for record in after}  # on a busy machine some twice
        assert made == {(number, name) for number in range(4) for name in ("fast", "slow")}
        other = run("loadtest", *arguments, "--workload=texts", "--minutes=0.0001")
        assert "another run's measurements are in " in other.stdout
        assert read_records(tmp_path / "records-1.jsonl") == after


@pytest.mark.nightly
def test_a_server_that_refuses_calls_holds_no_rate(tmp_path: Path) -> None:
    def fails(number: int) -> grpc.StatusCode | None:
        return grpc.StatusCode.RESOURCE_EXHAUSTED if number % 2 else None

    with faulty_server(Faults(fails=fails)) as (address, _):
        arguments = [f"--address={address}", "--model=fast", "--workload=texts", "--quick", "--seconds=0.5"]
        done = run("loadtest", *arguments, f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "fast, texts: 0 calls/s" in done.stdout
    assert "RESOURCE_EXHAUSTED" in done.stdout
    settings = json.loads((tmp_path / "run.json").read_text())
    assert settings["models"] == "fast/1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--address=:0"], "error: address: "),
        (["--address=:1", "--ca=nowhere.pem"], "error: --ca: nowhere.pem: No such file or directory"),
        (["--address=:1", "--metrics=unix:/x"], "error: --metrics: "),
        (["--address=:1"], "error: UNAVAILABLE: "),
    ],
)
def test_servers_that_cannot_be_reached_are_told_by_one_line(
    arguments: list[str], problem: str, tmp_path: Path
) -> None:
    done = run("loadtest", *arguments, f"--output={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith(problem)
    assert len(done.stderr.splitlines()) == 1
