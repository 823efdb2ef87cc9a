"""The generators against a server whose delays, errors and stalls are known."""

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from loadtest.generators import GeneratorError, Generators, why_saturated
from tests.e2e.processes import run
from tests.loadtest.faulty_server import Faults, faulty_server

ORDER: dict[str, Any] = {
    "name": "case",
    "model": "fast",
    "decoding": {},
    "method": "unary",
    "pair": ("", ""),
    "texts": ["one", "one two", "one two three"],
    "rate": 0.0,
    "users": 0,
    "warm_up": 0.2,
    "seconds": 1.0,
    "seed": 1,
}


Drive = Callable[..., dict[str, Any]]
"""Takes faults, the number of generators and what is different in the order, and returns what was measured."""


@pytest.fixture(scope="module")
def drive() -> Iterator[Drive]:
    """One server and the same processes for all, whose start takes longer than most tests."""
    with (
        faulty_server(Faults()) as (address, service),
        Generators({"address": address}) as one,
        Generators({"address": address}, 2) as two,
    ):

        def drive(faults: Faults, number: int = 1, **changes: Any) -> dict[str, Any]:
            service.meet(faults)
            return {1: one, 2: two}[number].drive(**(ORDER | changes))

        yield drive


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


@pytest.mark.parametrize("number", [1, 2])
def test_a_known_distribution_of_delays_comes_out_as_it_went_in(number: int, drive: Drive) -> None:
    delays = [0.05 + 0.2 * (index * 7 % 40) / 40 for index in range(40)]  # evenly from 50 to 250 ms
    measured = drive(Faults(delays=delays), number, rate=120.0, seconds=2.0)
    latencies = measured["latencies_ms"]
    assert measured["due"] == len(latencies) == len(measured["source_tokens"])
    assert measured["due"] == pytest.approx(240, rel=0.3)
    assert measured["errors"] == {}
    assert min(latencies) >= 50
    for percent in (10, 50, 90):
        assert percentile(latencies, percent) == pytest.approx(50 + 2 * percent, abs=40)
    assert set(measured["source_tokens"]) == {1, 2, 3}
    assert measured["output_tokens"] == 2 * len(latencies)


def test_arrivals_are_those_of_a_poisson_process_and_the_same_for_the_same_seed(drive: Drive) -> None:
    numbers = [drive(Faults(), rate=100.0, warm_up=0.0, seed=seed)["due"] for seed in (5, 5, 6, 7)]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) > 1
    assert statistics.fmean(numbers) == pytest.approx(100, abs=30)


def test_a_stall_of_a_second_is_in_the_latency_of_every_call_that_was_due_meanwhile(drive: Drive) -> None:
    """A generator that waits for answers before it goes on would have one slow call, and not a hundred."""
    measured = drive(Faults(stall_at=60), rate=100.0, warm_up=0.0, seconds=2.5)
    slow = [latency for latency in measured["latencies_ms"] if latency > 100]
    assert measured["due"] == len(measured["latencies_ms"])
    assert len(slow) == pytest.approx(90, abs=35)  # 100 were due in the second, the last tenth waited for less
    assert max(slow) == pytest.approx(1000, abs=300)
    assert statistics.fmean(slow) == pytest.approx(550, abs=150)


def test_errors_are_counted_by_code_and_have_no_latency(drive: Drive) -> None:
    def fails(number: int) -> grpc.StatusCode | None:
        codes = {0: grpc.StatusCode.UNAVAILABLE, 1: grpc.StatusCode.RESOURCE_EXHAUSTED}
        return codes.get(number % 10)

    for method in ("unary", "stream"):
        measured = drive(Faults(fails=fails), rate=100.0, method=method)
        assert measured["errors"].keys() == {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
        assert sum(measured["errors"].values()) + len(measured["latencies_ms"]) == measured["due"]
        assert sum(measured["errors"].values()) == pytest.approx(measured["due"] / 5, abs=5)


def test_streams_tell_when_their_texts_came(drive: Drive) -> None:
    measured = drive(Faults(delays=[0.1], texts=4, gap=0.05), rate=20.0, method="stream")
    number = measured["due"]
    assert len(measured["latencies_ms"]) == len(measured["first_text_ms"]) == number > 8
    assert len(measured["between_texts_ms"]) == 3 * number
    assert statistics.median(measured["first_text_ms"]) == pytest.approx(105, abs=30)
    assert statistics.median(measured["between_texts_ms"]) == pytest.approx(52, abs=15)
    assert statistics.median(measured["latencies_ms"]) == pytest.approx(257, abs=50)


@pytest.mark.parametrize(("users", "number"), [(1, 1), (6, 1), (3, 2), (1, 2)])
def test_users_of_a_closed_loop_have_one_call_in_flight_each(users: int, number: int, drive: Drive) -> None:
    measured = drive(Faults(delays=[0.05]), number, users=users, seconds=0.7)
    assert measured["due"] == pytest.approx(0.7 * users / 0.055, rel=0.35)
    assert measured["late_ms"] < 5


def test_a_generator_that_stands_still_says_so_and_makes_the_calls_that_were_due() -> None:
    with faulty_server(Faults()) as (address, _), Generators({"address": address}) as generators:
        generators.drive(**(ORDER | {"rate": 10.0, "seconds": 0.1}))  # so that it has started
        timer = threading.Timer(0.5, stand_still, [generators.pids[0], 0.6])
        timer.start()
        measured = generators.drive(**(ORDER | {"rate": 100.0, "warm_up": 0.0, "seconds": 1.5}))
        timer.join()
    assert measured["late_ms"] > 300
    assert measured["saturated"].startswith(
        "the machine was busy with other work, and the generator began calls up to "
    )
    assert measured["due"] == pytest.approx(150, abs=40)
    assert sum(latency > 60 for latency in measured["latencies_ms"]) >= 30


def stand_still(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def test_more_calls_than_a_generator_can_make_saturate_it(drive: Drive) -> None:
    measured = drive(Faults(), rate=20_000.0, seconds=0.15, warm_up=0.0)
    assert measured["saturated"]


@pytest.mark.parametrize(
    ("late_ms", "latency_ms", "from_begin_ms", "cpu", "is_saturated"),
    [
        (0.0, 1.0, 1.0, 0.1, False),
        (4.0, 6.0, 2.0, 0.1, False),  # too little to matter
        (12.0, 20.0, 9.0, 0.1, True),
        (12.0, 60.0, 52.0, 0.1, False),
        (24.0, 100.0, 99.0, 0.1, False),
        (26.0, 200.0, 200.0, 0.1, True),
        (26.0, 900.0, 890.0, 0.1, False),
        (24.0, 900.0, 700.0, 0.1, True),
        (0.0, 200.0, 200.0, 0.84, False),
        (0.0, 200.0, 200.0, 0.9, True),
        (26.0, 0.0, 0.0, 0.1, True),  # nothing was answered
    ],
)
def test_saturation_is_lateness_that_shows_or_a_core_that_is_used_up(
    late_ms: float, latency_ms: float, from_begin_ms: float, cpu: float, is_saturated: bool
) -> None:
    assert bool(why_saturated(late_ms, latency_ms, from_begin_ms, cpu)) is is_saturated


def test_a_server_that_does_not_run_is_seen_in_every_call_and_a_generator_that_ends_is_an_error() -> None:
    with Generators({"address": "127.0.0.1:1"}) as generators:
        measured = generators.drive(**(ORDER | {"rate": 40.0, "seconds": 0.5}))
        assert measured["errors"] == {"UNAVAILABLE": measured["due"]}
        os.kill(generators.pids[0], signal.SIGKILL)
        with pytest.raises(GeneratorError, match="a generator ended with status -9"):
            generators.drive(**(ORDER | {"rate": 10.0}))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def closed_server(authority: trustme.CA) -> Iterator[str]:
    """With TLS and a key."""
    certificate = authority.issue_cert("127.0.0.1")
    key, chain = certificate.private_key_pem.bytes(), b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    with faulty_server(Faults(key="secret"), grpc.ssl_server_credentials([(key, chain)])) as (address, _):
        yield address


def test_connections_are_encrypted_and_calls_have_the_key(closed_server: str, authority: trustme.CA) -> None:
    options: dict[str, Any] = {"address": closed_server, "tls": authority.cert_pem.bytes().decode()}
    order = ORDER | {"rate": 30.0, "seconds": 0.5}
    with Generators(options | {"api_key": "secret"}) as generators:
        assert generators.drive(**order)["errors"] == {}
    with Generators(options | {"api_key": "wrong"}) as generators:
        assert generators.drive(**order)["errors"].keys() == {"UNAUTHENTICATED"}
    with Generators({"address": closed_server}) as generators:
        assert generators.drive(**order)["errors"].keys() == {"UNAVAILABLE"}


@pytest.mark.nightly
def test_flags_of_tls_and_key(closed_server: str, authority: trustme.CA, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "key").write_text("secret\n")
    flags = [f"--ca={tmp_path / 'ca.pem'}", f"--api-key-file={tmp_path / 'key'}"]
    locust = ["locust", "-f", "loadtest/locustfile.py", "--headless", f"--host={closed_server}", "--run-time=1s"]
    for command in (
        ["loadtest", f"--address={closed_server}", "--rate=20", "--seconds=0.5", "--rounds=1", f"--output={tmp_path}"],
        locust,
    ):
        assert run(*command, *flags).returncode == 0
    refused = run(*locust, flags[0])
    assert refused.returncode == 1
    assert "UNAUTHENTICATED: no key, or a wrong one" in refused.stderr
