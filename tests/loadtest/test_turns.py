"""Turns of a real server: every call has its line of the server's log, and a slower step is seen in its model alone."""

import sys
from pathlib import Path

import pytest

from loadtest.stored_run import costs_of
from loadtest.turns import take_turns
from tests.e2e.processes import server_arguments

SLOW = "lstm-en-fr"


def flags(model_repository: Path) -> list[str]:
    return server_arguments(model_repository, **{"log-format": "json"})


def test_turns_of_a_server_have_all_its_models_and_one_whose_steps_are_slow_stands_out(
    model_repository: Path, tmp_path: Path
) -> None:
    def costs(*program: str) -> dict[str, float]:
        turns = take_turns([sys.executable, "-m", *program, *flags(model_repository)], tmp_path / "log", 10, seed=1)
        assert len(turns) == 10
        assert all(0 < call.decoding < call.whole for turn in turns for call in turn.calls.values())
        assert all(turn.calibration_ms > 0 for turn in turns)
        return {model: cost.to_models for model, cost in costs_of(turns)["decoding, a token"].items()}

    usual, slowed = costs("server"), costs("tests.loadtest.slowed_server", SLOW, "5")
    grown = {model: slowed[model] / usual[model] for model in usual}
    assert max(grown, key=lambda model: grown[model]) == SLOW
    assert grown[SLOW] > 1.5


def test_a_server_that_logs_no_calls_cannot_be_measured(model_repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", *server_arguments(model_repository)]
    with pytest.raises(ValueError, match="a line of every call expected, got "):
        take_turns(command, tmp_path / "log", 1, seed=1)
