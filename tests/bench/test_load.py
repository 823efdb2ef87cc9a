"""The arithmetic of the search for the highest rate, of settings, and of overload; and a load on a real server."""

from pathlib import Path
from typing import Any

import pytest

from bench.load import GROWTH, MAX_P99_MS, NEARNESS, Climb, Server
from bench.overload import REFUSED, back_to_normal, offer, summary
from bench.process import Child
from bench.settings import RACE_GROWTH, Flags, our_best, race, their_best
from bench.sizes import OPUS_SIZE, SHIPPED
from loadtest.running_server import running_server, serve_command
from tests.e2e.processes import ROOT

FIRST_RATE = 150.0
INFINITE = float("inf")


@pytest.mark.parametrize("capacity", [100.0, 151.0, 400.0, 2000.0])
def test_the_climb_ends_just_below_what_a_server_holds(capacity: float) -> None:
    climb = Climb(FIRST_RATE)
    while not climb.is_done:
        rate = climb.next_rate
        climb.record({"rate": rate, "p99": 10.0 if rate <= capacity else 2 * MAX_P99_MS, "error_share": 0.0})
    assert capacity / NEARNESS <= climb.held <= capacity < climb.missed <= climb.held * NEARNESS
    assert max(float(step["rate"]) for step in climb.steps) <= capacity * GROWTH or capacity < FIRST_RATE


def test_a_step_with_errors_has_not_held() -> None:
    climb = Climb(FIRST_RATE)
    for _ in range(2):
        climb.record({"rate": climb.next_rate, "p99": 1.0, "error_share": 0.02})
    assert climb.missed
    assert not climb.held


def test_a_rate_that_was_not_held_is_tried_once_more() -> None:
    climb = Climb(FIRST_RATE)
    slow, fast = 2 * MAX_P99_MS, 1.0
    rates = []
    for p99 in (fast, slow, fast, slow, slow):
        rates.append(climb.next_rate)
        climb.record({"rate": rates[-1], "p99": p99, "error_share": 0.0})
    first, second, third = FIRST_RATE, FIRST_RATE * GROWTH, FIRST_RATE * GROWTH**2
    assert rates == [first, second, second, third, third]
    assert (climb.held, climb.missed) == (second, third)


def server_of(capacities: dict[Flags, float], loaded: list[tuple[Flags, float]]) -> Any:
    def load(flags: Flags, rate: float) -> dict[str, Any]:
        loaded.append((flags, rate))
        return {"p99": MAX_P99_MS * rate / capacities[flags], "error_share": 0.0}

    return load


def test_of_several_settings_the_one_that_holds_the_highest_rate_is_the_best() -> None:
    loaded: list[tuple[Flags, float]] = []
    capacities: dict[Flags, float] = {("slow",): 50.0, ("fast",): 200.0, ("faster",): 220.0}
    best, steps = race([*capacities], 80.0, server_of(capacities, loaded))
    assert best == ("faster",)
    assert [flags for flags, _ in loaded].count(("slow",)) == 1  # it goes no further
    assert {rate for flags, rate in loaded if flags == ("fast",)} == {80 * RACE_GROWTH**step for step in range(6)}
    assert {step["flags"] for step in steps} == {"slow", "fast", "faster"}


def test_where_no_setting_holds_the_rate_lower_ones_are_tried_until_one_does() -> None:
    capacities: dict[Flags, float] = {("slow",): 15.0, ("fast",): 20.0}
    loaded: list[tuple[Flags, float]] = []
    best, steps = race([*capacities], 80.0, server_of(capacities, loaded))
    assert best == ("fast",)
    assert loaded[-1][1] == pytest.approx(80 / RACE_GROWTH**8)
    assert len(steps) == len(loaded) == 2 * 5


def test_what_is_best_under_far_too_much_is_not_taken_for_the_best() -> None:
    def load(flags: Flags, rate: float) -> dict[str, Any]:
        """One answers few, and those soon; the other has a capacity."""
        if flags == ("few",):
            return {"p99": 2 * MAX_P99_MS, "error_share": 0.9}
        return {"p99": MAX_P99_MS * rate / 20.0, "error_share": 0.0}

    assert race([("few",), ("some",)], 80.0, load)[0] == ("some",)


def test_where_no_rate_is_held_the_search_for_settings_ends_with_the_one_that_errs_least() -> None:
    def load(flags: Flags, rate: float) -> dict[str, Any]:
        return {"p99": 10 * MAX_P99_MS, "error_share": 0.5 if flags == ("bad",) else 0.4}

    best, steps = race([("bad",), ("better",)], 80.0, load)
    assert best == ("better",)
    assert min(step["error_share"] for step in steps) == 0.4


def test_one_setting_alone_is_not_tried() -> None:
    loaded: list[tuple[Flags, float]] = []
    assert race([("only",)], 80.0, server_of({}, loaded)) == (("only",), [])
    assert not loaded


@pytest.mark.parametrize("size", [SHIPPED, OPUS_SIZE])
def test_the_peer_is_searched_for_its_best_wait(size: Any) -> None:
    def load(flags: Flags, rate: float) -> dict[str, Any]:
        is_best = "--wait-ms=100" in flags and "--translators=2" in flags
        p99 = 10.0 if is_best else 100.0 + len(" ".join(flags))
        return {"rate": rate, "p99": p99, "error_share": 0.0 if is_best else 1.0}

    best, _ = their_best(size, False, load)
    assert best[-1] == "--wait-ms=100"


@pytest.mark.parametrize("size", [SHIPPED, OPUS_SIZE])
def test_every_setting_of_ours_is_one_that_the_server_has(size: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from server.config import parse_config

    tried: list[Flags] = []

    def load(flags: Flags, rate: float) -> dict[str, Any]:
        tried.append(flags)
        return {"rate": rate, "p99": INFINITE, "error_share": 1.0}

    our_best(size, False, load)
    assert len(tried) >= 4
    for flags in tried:
        parse_config(flags, {})


@pytest.mark.parametrize(
    ("starts", "latencies", "expected"),
    [
        ([10.1, 10.2, 10.3], [5.0, 6.0, 7.0], 0.0),
        ([10.1, 11.5, 11.6], [1400.0, 6.0, 7.0], 1.5),
        ([10.1, 10.2, 12.0], [INFINITE, 6.0, 25.0], INFINITE),
        ([10.1, 10.2, 12.0, 12.1], [INFINITE, 6.0, 25.0, 9.0], 2.1),
    ],
)
def test_back_to_normal_is_when_single_calls_are_and_stay_fast(
    starts: list[float], latencies: list[float], expected: float
) -> None:
    assert back_to_normal(10.0, starts, latencies, bound_ms=20.0) == pytest.approx(expected)


def test_one_slow_call_in_a_hundred_is_still_normal() -> None:
    starts = [10.0 + number / 100 for number in range(200)]
    two, three = ([5.0] * 100 + [500.0] * number + [5.0] * (100 - number) for number in (2, 3))
    assert back_to_normal(10.0, starts, two, bound_ms=20.0) == 0
    assert back_to_normal(10.0, starts, three, bound_ms=20.0) == pytest.approx(1.03)


def step(answered: float, p99: float, errors: dict[str, int], refusal_p99: float = 0.0) -> dict[str, Any]:
    return {
        "rate": 300.0,
        "answers": int(answered),
        "answers_per_second": answered,
        "p50": p99 / 2,
        "p99": p99,
        "errors": errors,
        "error_p99": {REFUSED: refusal_p99} if REFUSED in errors else {},
        "back_to_normal_s": 0.1,
        "server_cpu": 1.5,
        "generator_cpu": 0.2,
        "late_ms": 1.0,
    }


def test_overload_is_compared_with_the_knee() -> None:
    knee = [step(100.0, 200.0, {}), step(98.0, 180.0, {}), step(300.0, 900.0, {})]
    over = [
        step(90.0, 300.0, {REFUSED: 200}, 40.0),
        step(80.0, 500.0, {REFUSED: 210, "CANCELLED": 2}, 60.0),
        step(95.0, 400.0, {REFUSED: 190, "CANCELLED": 1, "UNAVAILABLE": 3}, 50.0),
    ]
    found = summary(over, knee)
    assert found["goodput_share"] == pytest.approx(0.9)
    assert found["p99_over_knee"] == pytest.approx(2.0)
    assert found["p99_ms"] == 400
    assert found["refusal_p99_ms"] == 50
    assert found["other_errors"] == 4  # the most of any round: not one may end so


@pytest.mark.nightly
def test_several_generators_load_a_server_and_single_calls_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    texts = (ROOT / "loadtest" / "sentences" / "en.txt").read_text(encoding="utf-8").splitlines()[:12]
    command = serve_command(f"--model-repository={ROOT / 'model_repository'}", "--max-waiting=1", "--max-rows=1")
    with running_server(command, tmp_path / "server.log") as running:
        server = Server(running, SHIPPED, num_generators=2)
        probe = Child("probe", ["bench.probe", running.address])
        monkeypatch.setattr("bench.overload.PROBE_SECONDS", 2.0)
        found = offer(server, probe, SHIPPED, texts, rate=400.0, seconds=1.0, bound_ms=5000.0)
        probe.close()
        server.close()
    num_calls = found["answers"] + sum(found["errors"].values())
    assert 250 < num_calls < 550  # both generators' calls of the second that counts
    assert REFUSED in found["errors"]
    assert found["error_p99"][REFUSED] > 0
    assert 0 < found["answers_per_second"] < 400
    assert found["back_to_normal_s"] < INFINITE
    assert found["generator_cpu"] > 0
