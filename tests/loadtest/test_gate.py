import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtest.gate import Verdict, compare, table
from loadtest.records import Record, ServerSide, append_record
from loadtest.stored_run import Run, read_run, take, write_run
from tests.e2e.processes import run as run_module
from tests.loadtest.measured_noise import NOISE
from tests.loadtest.synthetic import case, exact

MODELS = ("rnn", "lstm", "lstm_attention", "transformer")
QUIET = 0.2
"""Noise of a machine of one's own, as a share of that of the shared one."""

COSTS = {"rnn": 0.06, "lstm": 0.08, "lstm_attention": 0.07, "transformer": 0.09}
"""Milliseconds of processor time a token; a step and a call take multiples of it."""


def measured(
    seed: int,
    slower: Mapping[str, float] | None = None,
    num_rounds: int = 8,
    noise: float = QUIET,
    speed: float = 1.0,
    calibration: float = 1.0,
    processor: str = "Some CPU",
    models: Sequence[str] = MODELS,
) -> Run:
    """A run of which each measurement is off by what a real one was. `slower`: factors of the time of a step; three
    quarters of an engine's processor time, and of a call, are steps."""
    generator = np.random.default_rng(seed)
    records = []
    for number in range(num_rounds):
        for model in models:
            engine, step, latency, loop = (math.exp(noise * value) for value in NOISE[generator.integers(len(NOISE))])
            factor = (slower or {}).get(model, 1.0)
            whole = 0.25 + 0.75 * factor
            cost = speed * COSTS[model]
            server = ServerSide(step_ms=2 * cost * factor * step, engine_ms_per_token=cost * whole * engine)
            record = exact(case(model), 100, 50 * cost * whole * latency, number, server=server)
            records.append(at(record, calibration * loop, processor))
    return take(records)


def at(record: Record, calibration_ms: float, processor: str = "Some CPU") -> Record:
    return replace(record, machine=replace(record.machine, calibration_ms=calibration_ms, processor=processor))


BASELINE = measured(1000)


def test_ten_runs_of_unchanged_code_pass() -> None:
    for seed in range(10):
        verdict = compare(BASELINE, measured(seed))
        assert verdict.exit_status == 0, table(verdict)


@pytest.mark.parametrize("model", MODELS)
def test_a_step_that_takes_a_fifth_longer_is_found_in_every_run_and_in_that_model_alone(model: str) -> None:
    for seed in range(10):
        verdict = compare(BASELINE, measured(seed, slower={model: 1.2}))
        assert verdict.exit_status == 1, table(verdict)
        assert {line.partition(",")[0] for line in verdict.slower} == {f"{model}-en-fr"}


def test_on_a_machine_with_many_others_a_run_says_that_it_cannot_tell_and_many_rounds_can() -> None:
    baseline = measured(1000, noise=1.0, num_rounds=100)
    for seed in range(5):
        assert compare(baseline, measured(seed, noise=1.0)).exit_status == 2
        assert compare(baseline, measured(seed, noise=1.0, num_rounds=100)).exit_status == 0
        slow = compare(baseline, measured(seed, {"lstm": 1.2}, noise=1.0, num_rounds=100))
        assert slow.exit_status == 1
        assert all(line.startswith("lstm-en-fr") for line in slow.slower)


def test_a_slower_machine_is_not_a_slower_model() -> None:
    assert compare(BASELINE, measured(1, speed=1.7, calibration=1.7)).exit_status == 0
    assert compare(BASELINE, measured(1, {"rnn": 1.2}, speed=1.7, calibration=1.7)).exit_status == 1


def test_all_models_that_become_slower_together_are_found_by_the_calibration_loop() -> None:
    verdict = compare(BASELINE, measured(1, dict.fromkeys(MODELS, 1.5)))
    assert verdict.exit_status == 1
    assert {line.partition(",")[0] for line in verdict.slower} == {"all models"}


def test_on_another_processor_models_are_compared_with_each_other_alone() -> None:
    other = {"processor": "Another CPU", "calibration": 0.4}
    assert compare(BASELINE, measured(1, speed=2.0, **other)).exit_status == 0  # type: ignore[arg-type]
    assert compare(BASELINE, measured(1, {"lstm": 1.2}, speed=2.0, **other)).exit_status == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
def test_a_model_that_becomes_faster_makes_no_other_slower(model: str) -> None:
    assert compare(BASELINE, measured(1, slower={model: 0.6})).exit_status == 0


def test_of_two_models_the_one_that_stayed_is_not_slower_than_the_one_that_became_faster() -> None:
    two = ("rnn", "lstm")
    baseline = measured(1000, models=two, num_rounds=20)
    assert compare(baseline, measured(1, {"rnn": 0.7}, models=two, num_rounds=20)).slower == []
    slower = compare(baseline, measured(1, {"rnn": 1.3}, models=two, num_rounds=20)).slower
    assert slower
    assert all(line.startswith("rnn-en-fr") for line in slower)


def test_runs_without_anything_in_common_cannot_tell() -> None:
    elsewhere = take([at(exact(case("rnn"), 300, 3.0), 10.0)])
    assert compare(BASELINE, elsewhere) == Verdict([], [], [])
    assert compare(BASELINE, elsewhere).exit_status == 2
    assert "nothing to compare" in table(compare(BASELINE, elsewhere))


def test_a_model_alone_is_compared_with_the_calibration_loop() -> None:
    alone = measured(1000, models=["rnn"])
    assert compare(alone, measured(1, models=["rnn"])).exit_status == 0
    assert compare(alone, measured(1, {"rnn": 1.5}, models=["rnn"])).exit_status == 1


def test_a_single_round_on_both_sides_cannot_tell() -> None:
    assert compare(measured(1, num_rounds=1), measured(2, num_rounds=1)).exit_status == 2


def test_records_that_are_not_believed_are_no_part_of_a_run() -> None:
    good, bad = exact(case("rnn"), 100, 3.0), exact(case("rnn"), 100, 900.0, saturated="late")
    assert len(take([good, bad]).samples) == 1
    with pytest.raises(ValueError, match="that can be believed"):
        take([bad])


def test_a_stored_run_is_read_as_it_was_written_a_line_for_each_sample(tmp_path: Path) -> None:
    write_run(BASELINE, tmp_path / "baseline.json")
    assert read_run(tmp_path / "baseline.json") == BASELINE
    lines = (tmp_path / "baseline.json").read_text().splitlines()
    assert sum("rnn-en-fr" in line for line in lines) == 8
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match=r"other\.json: a run stored by"):
        read_run(tmp_path / "other.json")


def test_the_command_stores_a_run_and_compares_another_with_it(tmp_path: Path) -> None:
    def write(name: str, factor: float) -> str:
        for number in range(4):
            for model in MODELS:
                cost = COSTS[model] * (factor if model == "lstm" else 1.0)
                server = ServerSide(step_ms=cost, engine_ms_per_token=cost)
                append_record(tmp_path / name, exact(case(model), 100, 50 * cost, number, server=server))
        return str(tmp_path / name)

    baseline = str(tmp_path / "baseline.json")
    assert run_module("loadtest.gate", "--write", baseline, write("before.jsonl", 1.0)).returncode == 0
    same = run_module("loadtest.gate", baseline, write("same.jsonl", 1.0))
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "nothing is slower")
    slower = run_module("loadtest.gate", baseline, write("slower.jsonl", 1.2))
    assert slower.returncode == 1
    assert "slower: lstm-en-fr, single: time of a step is +20% against the other models" in slower.stdout
    missing = run_module("loadtest.gate", str(tmp_path / "nowhere.json"), str(tmp_path / "same.jsonl"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("error: ")
