"""Locust's own command, with its shapes, its CSV files, its workers and its page."""

import csv
import http.client
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtest.running_server import free_port
from tests.e2e.processes import ROOT, run
from tests.fakes import PATIENCE
from tests.loadtest.faulty_server import Faults, faulty_server

LOCUST = ("-f", "loadtest/locustfile.py")


def stats(prefix: Path) -> dict[str, Any]:
    with prefix.with_name(f"{prefix.name}_stats.csv").open() as file:
        return next(iter(csv.DictReader(file)))


def test_arrivals_follow_a_shape_and_latencies_are_in_the_csv(tmp_path: Path) -> None:
    with faulty_server(Faults(delays=[0.05])) as (address, _):
        options = ["--loop=open", "--shape=20x2,80x2", "--method=stream", f"--csv={tmp_path / 'csv'}"]
        done = run("locust", *LOCUST, "--headless", f"--host={address}", *options)
    assert done.returncode == 0, done.stderr
    seen = stats(tmp_path / "csv")
    assert seen["Type"] == "stream"
    assert int(seen["Request Count"]) == pytest.approx(200, rel=0.5)
    assert seen["Failure Count"] == "0"
    assert float(seen["Min Response Time"]) >= 50


def test_two_workers_share_the_users(tmp_path: Path) -> None:
    with faulty_server(Faults(delays=[0.1])) as (address, _):
        options = ["--users=4", "--spawn-rate=4", "--run-time=3s", "--processes=2", f"--csv={tmp_path / 'csv'}"]
        done = run("locust", *LOCUST, "--headless", f"--host={address}", *options)
    assert done.returncode == 0, done.stderr
    seen = stats(tmp_path / "csv")
    assert 30 < int(seen["Request Count"]) <= 125
    assert seen["Failure Count"] == "0"


@pytest.mark.parametrize(
    "option",
    [
        "--shape=50",
        "--model=none",
        *(pytest.param(path, marks=pytest.mark.nightly) for path in ("--ca=nowhere.pem", "--texts=/nowhere")),
    ],
)
def test_what_cannot_be_driven_is_refused_by_one_line(option: str) -> None:
    with faulty_server(Faults()) as (address, _):
        done = run("locust", *LOCUST, "--headless", f"--host={address}", "--run-time=1s", option)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_page_has_the_distribution() -> None:
    port = free_port()
    with faulty_server(Faults(delays=[0.02])) as (address, _):
        options = [f"--host={address}", f"--web-port={port}", "--autostart", "--users=2", "--autoquit=1"]
        command = [sys.executable, "-m", "locust", *LOCUST, *options, "--run-time=20s"]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as locust:
            try:
                drawn = page(port)
            finally:
                locust.terminate()
                locust.wait(PATIENCE)
    assert "<svg" in drawn
    assert "default (unary)" in drawn


def page(port: int) -> str:
    """As soon as calls are in it."""
    until = time.monotonic() + PATIENCE
    drawn = ""
    while "default (unary)" not in drawn and time.monotonic() < until:
        time.sleep(0.5)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/latency")
            drawn = connection.getresponse().read().decode()
        except OSError:
            continue
        finally:
            connection.close()
    return drawn
