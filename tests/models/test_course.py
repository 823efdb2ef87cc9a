"""A course of trainings, and the folder that travels to where it runs."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.checkpoint import load_checkpoint
from models.config import ConfigError
from models.course import CourseError, side_by_side
from models.data.corpora import CorpusError, read_lines
from models.pack import pack
from tests.models.test_train import Workplace

CONFIG = """
architecture = "lstm_attention"
[model]
d_hidden = 16
d_embedding = 16
[data]
mix = {{ tatoeba = 1 }}
{data}
[training]
max_steps = {max_steps}
batch_tokens = 200
validation_steps = 20
"""


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    workplace = Workplace(tmp_path)
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "teacher-en-fr.toml").write_text(CONFIG.format(data="", max_steps=40))
    (configs / "small-en-fr.toml").write_text(CONFIG.format(data='distilled = "runs/distilled.tsv.gz"', max_steps=20))
    return workplace


@pytest.mark.nightly
def test_a_packed_course_trains_teacher_and_student_where_there_is_nothing_else(workplace: Workplace) -> None:
    """The student is trained on what the teacher wrote, in a folder with no other file of the project."""
    folder = workplace.folder / "packed"
    size = pack(workplace.folder / "configs", folder, workplace.folder / "data", workplace.tokenizer)
    assert size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    command = [sys.executable, "-m", "models.course", "configs", "--data", "data", "--output", "trained"]
    done = subprocess.run(
        [*command, "--tokenizer", "tokenizer.model"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    distilled = [line.split("\t") for line in read_lines(folder / "runs" / "distilled.tsv.gz")]
    train = gzip.decompress((workplace.folder / "data" / "tatoeba" / "train.en.gz").read_bytes()).decode()
    assert {source for source, _ in distilled} == set(train.splitlines())
    assert {path.name for path in (folder / "trained").iterdir()} == {"small-en-fr"}
    weights = load_file(folder / "trained" / "small-en-fr" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    load_checkpoint(folder / "trained" / "small-en-fr")


def test_a_course_that_fails_says_which_command_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(CourseError, match=r"models\.train none\.toml: .*none\.toml"):
        side_by_side([["models.train", "none.toml"]])


def test_what_cannot_be_packed_is_named(workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config is in this folder"):
        pack(tmp_path / "none", tmp_path / "packed", workplace.folder / "data", workplace.tokenizer)
    (workplace.folder / "configs" / "small-en-fr.toml").write_text(
        CONFIG.format(data="", max_steps=20).replace("tatoeba", "captions")
    )
    with pytest.raises(CorpusError, match="multi30k has no training text"):
        pack(workplace.folder / "configs", tmp_path / "packed", workplace.folder / "data", workplace.tokenizer)
