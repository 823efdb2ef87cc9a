"""Runs of the load test against a server whose delays are known: they find its knee, can be stopped and go on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc

from loadtest.records import read_records
from tests.e2e.processes import ROOT, Completed, run
from tests.fakes import PATIENCE
from tests.loadtest.faulty_server import Faults, faulty_server

SHORT = ("--quick", "--seconds=0.3", "--minutes=1")


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    with faulty_server(Faults()) as (address, _):
        arguments = [f"--address={address}", "--rate=30", "--seconds=0.5", "--rounds=6", f"--output={tmp_path}"]
        command = [sys.executable, "-m", "loadtest", *arguments]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as first:
            while len(read_records(tmp_path / "records.jsonl")) < 3 and first.poll() is None:
                time.sleep(0.05)
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 128 + signal.SIGTERM
        before = read_records(tmp_path / "records.jsonl")
        assert 3 <= len(before) < 12
        done = run("loadtest", *arguments)
        assert done.returncode == 0, done.stderr
        assert f"goes on after {len(before)} measurements" in done.stdout
        after = read_records(tmp_path / "records.jsonl")
        assert after[: len(before)] == before
        assert sorted((record.round, record.case.name) for record in after) == [
            (number, name) for number in range(6) for name in ("fast", "slow")
        ]
        other = run("loadtest", *arguments, "--workload=texts", "--minutes=0.0001")
        assert "another run's measurements are in " in other.stdout
        assert read_records(tmp_path / "records-1.jsonl") == after


def test_the_knee_is_where_errors_begin(tmp_path: Path) -> None:
    """A server that refuses every third call holds no rate; one that answers holds more than the first rate."""

    def fails(number: int) -> grpc.StatusCode | None:
        return grpc.StatusCode.RESOURCE_EXHAUSTED if number % 3 == 0 else None

    def knees(faults: Faults, name: str) -> Completed:
        with faulty_server(faults) as (address, _):
            return run("loadtest", f"--address={address}", "--model=fast", *SHORT, f"--output={tmp_path / name}")

    refusing = knees(Faults(fails=fails), "refusing")
    assert "fast: 0 calls/s" in refusing.stdout
    assert "RESOURCE_EXHAUSTED" in refusing.stdout
    slow = knees(Faults(delays=[0.3]), "slow")
    assert "fast: 0 calls/s" in slow.stdout
    settings = json.loads((tmp_path / "slow" / "run.json").read_text())
    assert settings["models"] == "fast/1"


def test_wrong_arguments_are_refused_by_one_line(tmp_path: Path) -> None:
    for arguments, problem in (
        (["--address=:0"], "error: address: "),
        (["--address=:1", "--ca=nowhere.pem"], "error: --ca: nowhere.pem: No such file or directory"),
        (["--address=:1", "--metrics=unix:/x"], "error: --metrics: "),
        (["--address=:1"], "error: UNAVAILABLE: "),
        (["--address=:1", "--model-repository=x"], "--address: a server that runs already serves what it serves"),
        (["--tls"], "--address: expected beside --metrics, --tls"),
        (["--rate=0"], "more than 0 expected, got 0"),
        (["--users=-1"], "at least 1 expected, got -1"),
        (["--rate=1", "--users=1"], "not allowed with argument"),
        (["--decoding={}"], "NAME=JSON expected"),
        (['--decoding=a={"beam": 4}'], "a: "),
    ):
        done = run("loadtest", *arguments, f"--output={tmp_path}")
        assert done.returncode in (1, 2)
        assert problem in done.stderr
        assert "Traceback" not in done.stderr
