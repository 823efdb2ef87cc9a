import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.gate import check, compare, table
from loadtest.stored_run import Run, costs_of, read_run, write_run
from loadtest.turns import Call, Turn
from tests.e2e.processes import run as run_module

DECODING, WHOLE = "decoding, a token", "whole call"
COSTS = {"rnn": 0.06, "lstm": 0.08, "lstm_attention": 0.07, "transformer": 0.09}
"""Milliseconds of decoding for each token."""
OUTSIDE_MS = 3.0
"""Of a call, beside its decoding."""


def measured(
    seed: int,
    slower: Mapping[str, float] | None = None,
    *,
    between_starts: float = 0.01,
    between_turns: float = 0.05,
    speed: float = 1.0,
    loop: float = 1.0,
    num_starts: int = 6,
    models: Sequence[str] = tuple(COSTS),
) -> Run:
    """A run of which we know the noise: standard deviations of the logarithm. `slower`: factors of the time to decode;
    `speed`, `loop`: factors of all times, and of the calibration loop's."""
    noise = random.Random(seed)
    starts = []
    for _ in range(num_starts):
        at_start = {model: math.exp(noise.gauss(0, between_starts)) for model in models}
        turns = []
        for _ in range(60):
            tokens, busy = noise.randint(5, 60), speed * math.exp(noise.expovariate(1 / between_turns))
            calls = {}
            for model in models:
                own = COSTS[model] * (slower or {}).get(model, 1.0) * at_start[model] * tokens
                decoding, outside = (
                    busy * time * math.exp(noise.gauss(0, between_turns)) for time in (own, OUTSIDE_MS)
                )
                calls[model] = Call(decoding, tokens, decoding + outside)
            turns.append(Turn(2.0 * loop * busy / speed, calls))
        starts.append(costs_of(turns))
    return Run("Some CPU", 2, "0123abc", 60, starts)


BASELINE = measured(1000, num_starts=10)


def slower_models(run: Run, baseline: Run = BASELINE) -> set[str]:
    return {line.partition(":")[0] for line in compare(baseline, run).slower}


def test_a_hundred_runs_of_unchanged_code_pass() -> None:
    for seed in range(100):
        verdict = compare(BASELINE, measured(seed))
        assert verdict.exit_status == 0, table(verdict)


@pytest.mark.parametrize("model", COSTS)
def test_decoding_that_takes_an_eighth_longer_is_found_in_every_run_and_in_that_model_alone(model: str) -> None:
    for seed in range(20):
        verdict = compare(BASELINE, measured(seed, {model: 1.12}))
        assert verdict.exit_status == 1, table(verdict)
        assert {line.partition(":")[0] for line in verdict.slower} == {model}


def test_the_error_that_is_told_is_that_of_many_runs() -> None:
    verdicts = [compare(measured(1000 + seed, num_starts=12), measured(seed)) for seed in range(30)]
    losses = [loss.to_others for verdict in verdicts for loss in verdict.losses if loss.measure == DECODING]
    told = statistics.fmean(verdict.errors[DECODING].to_others for verdict in verdicts)
    assert statistics.pstdev(losses, 0.0) == pytest.approx(told, rel=0.2)


def test_where_starts_are_far_apart_a_run_cannot_tell_and_more_of_them_can() -> None:
    few = compare(BASELINE, measured(1, {"lstm": 1.2}, between_starts=0.12))
    assert (few.exit_status, few.slower) == (2, [])
    assert "cannot tell: decoding, a token: the starts of the server are too far apart" in table(few)
    many = measured(1, {"lstm": 1.2}, between_starts=0.06, num_starts=80)
    assert slower_models(many) == {"lstm"}


def test_a_slower_machine_is_not_a_slower_model() -> None:
    assert compare(BASELINE, measured(1, speed=1.7, loop=1.7)).exit_status == 0
    assert slower_models(measured(1, {"rnn": 1.2}, speed=1.7, loop=1.7)) == {"rnn"}


def test_all_models_that_become_slower_together_are_found_by_the_calibration_loop() -> None:
    assert slower_models(measured(1, dict.fromkeys(COSTS, 1.5))) == {"all models"}


@pytest.mark.parametrize("model", COSTS)
def test_a_model_that_becomes_faster_makes_no_other_slower(model: str) -> None:
    assert compare(BASELINE, measured(1, {model: 0.6})).exit_status == 0


def test_a_model_alone_is_compared_with_the_calibration_loop() -> None:
    alone = measured(1000, models=["rnn"])
    assert compare(alone, measured(1, models=["rnn"])).exit_status == 0
    assert slower_models(measured(1, {"rnn": 1.5}, models=["rnn"]), alone) == {"all models"}


def test_runs_of_other_models_are_not_compared() -> None:
    with pytest.raises(ValueError, match="as was stored, got lstm, rnn"):
        compare(BASELINE, measured(1, models=("rnn", "lstm")))


def test_a_stored_run_is_read_as_it_was_written_a_line_for_each_measure_of_a_start(tmp_path: Path) -> None:
    write_run(BASELINE, tmp_path / "baseline.json")
    assert read_run(tmp_path / "baseline.json") == BASELINE
    lines = (tmp_path / "baseline.json").read_text().splitlines()
    assert sum(DECODING in line for line in lines) == sum(WHOLE in line for line in lines) == 10
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match=r"other\.json: a run stored by"):
        read_run(tmp_path / "other.json")


def test_on_another_machine_no_server_is_started_and_the_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the stored run is of 3 cores of Some CPU, and these are"):
        check(replace(BASELINE, cores=3), ["false"], tmp_path / "log", 2)


def test_the_command_cannot_tell_without_a_stored_run_or_a_server_and_says_why(tmp_path: Path) -> None:
    missing = run_module("loadtest.gate", f"--baseline={tmp_path}/nowhere.json")
    assert (missing.returncode, missing.stderr) == (2, "")
    assert missing.stdout.startswith("cannot tell: ")
    assert "nowhere.json" in missing.stdout
    arguments = ["--store", "--server=false", f"--log={tmp_path}/log", f"--baseline={tmp_path}/baseline.json"]
    failed = run_module("loadtest.gate", *arguments)
    assert failed.returncode == 2
    assert failed.stdout.startswith("cannot tell: the server did not start")
    assert not (tmp_path / "baseline.json").exists()
