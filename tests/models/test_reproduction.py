"""`make` trains a model from nothing, each thing after what it needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from models.config import load_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "models" / "configs").glob("*.toml"))

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def planned(*arguments: str) -> list[str]:
    """The project's commands that make would run if nothing was there."""
    done = subprocess.run(["make", "-nB", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line.partition("python -m ")[2].strip() for line in done.stdout.splitlines() if "python -m models." in line]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_one_command_trains_a_model_after_its_tokenizer_and_its_teacher(path: Path) -> None:
    commands = planned("train", f"MODELS={path.stem}")
    distilled = load_config(path).data.distilled
    modules = [command.split()[0] for command in commands]
    if distilled:
        assert modules == ["models.tokenizer", "models.train", "models.distil", "models.train"]
        assert commands[2].split()[-1] == distilled
        assert commands[2].split()[-2] == f"runs/{Path(commands[1].split()[-1]).stem}"
    else:
        assert modules == ["models.tokenizer", "models.train"]
    assert commands[-1].split()[-1] == f"models/configs/{path.stem}.toml"


def test_all_models_are_trained_once_each_if_none_is_named() -> None:
    trained = [command.split()[-1] for command in planned("train") if command.startswith("models.train")]
    assert sorted(trained) == sorted(f"models/configs/{path.name}" for path in CONFIGS)


def test_each_model_is_scored_in_its_direction() -> None:
    forwards, backwards = planned("evaluate", "MODELS=lstm-en-fr transformer-fr-en mine")
    assert "--direction en-fr" in forwards
    assert forwards.count("seq2serve --model") == 2
    assert "--direction fr-en" in backwards
    assert "--model transformer-fr-en" in backwards
