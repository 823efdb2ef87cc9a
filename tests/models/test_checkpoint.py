"""A finished model's folder says of each of its files whether it was changed."""

import logging
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from models.checkpoint import CHECKSUMS, FILES, CheckpointError, load_checkpoint, read_metrics, write_checksums
from models.config import load_config
from models.run_folder import RunFolder
from models.tokenizer import train_tokenizer
from tests.models.test_train import PAIRS, TINY, Workplace

SHIPPED = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    torch.set_num_threads(1)
    workplace = Workplace(tmp_path_factory.mktemp("finished"))
    with workplace.prepare(max_steps=40, model=TINY) as training:
        training.run()
    return workplace


@pytest.fixture
def checkpoint(finished: Workplace, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(finished.run, folder)
    return folder


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_training_writes_checksums_that_its_own_checkpoint_passes(checkpoint: Path) -> None:
    assert [line.split()[1] for line in (checkpoint / CHECKSUMS).read_text().splitlines()] == list(FILES)
    load_checkpoint(checkpoint)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="coreutils only")
def test_the_checksums_are_those_of_sha256sum(checkpoint: Path) -> None:
    check = ["sha256sum", "--check", "--strict", CHECKSUMS]
    assert subprocess.run(check, cwd=checkpoint, capture_output=True, check=False).returncode == 0
    written = subprocess.run(["sha256sum", *FILES], cwd=checkpoint, capture_output=True, check=True).stdout
    assert (checkpoint / CHECKSUMS).read_bytes() == written


@pytest.mark.parametrize("name", FILES)
def test_one_byte_of_any_file_is_noticed_and_the_file_is_named(checkpoint: Path, name: str) -> None:
    flip_a_byte(checkpoint / name)
    with pytest.raises(CheckpointError, match=rf"{name}: SHA-256 is [0-9a-f]{{64}}, {CHECKSUMS} says [0-9a-f]{{64}}"):
        load_checkpoint(checkpoint)


def test_another_tokenizer_of_the_same_size_is_noticed(checkpoint: Path) -> None:
    train_tokenizer([f"{target} {source}"[3:] for source, target in PAIRS], checkpoint / "tokenizer.model", 60)
    with pytest.raises(CheckpointError, match=r"tokenizer\.model: SHA-256 is"):
        load_checkpoint(checkpoint)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="coreutils only")
def test_a_change_that_is_meant_is_accepted_by_the_command_that_the_error_names(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = checkpoint.rename(tmp_path / "a run's folder")
    path = folder / "config.toml"
    path.write_text(path.read_text() + "# a remark\n")
    with pytest.raises(CheckpointError, match=r"config\.toml") as raised:
        load_checkpoint(folder)
    subprocess.run(str(raised.value).partition("accept it with: ")[2], shell=True, check=True)
    load_checkpoint(folder)


def test_a_checkpoint_from_before_there_were_checksums_is_loaded_with_a_warning(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (checkpoint / CHECKSUMS).unlink()
    with caplog.at_level(logging.WARNING):
        load_checkpoint(checkpoint)
    [record] = caplog.records
    assert (
        f"{checkpoint / CHECKSUMS} is missing: nothing says whether the checkpoint was changed" in record.getMessage()
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no line for config.toml"),
        ("nonsense\n", ""),
        ("\xff", ""),
        ("00  tokenizer.model\n", "no line for config"),
    ],
)
def test_damaged_checksums_are_named(checkpoint: Path, text: str, problem: str) -> None:
    (checkpoint / CHECKSUMS).write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=rf"{CHECKSUMS}: {problem}"):
        load_checkpoint(checkpoint)


def test_going_on_with_another_recipe_takes_back_the_checksums_and_finishing_writes_new_ones(
    checkpoint: Path, finished: Workplace, tmp_path: Path
) -> None:
    longer = tmp_path / "longer.toml"
    longer.write_text(finished.config.read_text().replace("max_steps = 40", "max_steps = 80"))
    RunFolder(checkpoint).describe(finished.config, finished.tokenizer, 40)
    assert (checkpoint / CHECKSUMS).exists(), "the same recipe: the finished model is what it was"
    RunFolder(checkpoint).describe(longer, finished.tokenizer, 40)
    assert not (checkpoint / CHECKSUMS).exists()
    load_checkpoint(checkpoint)  # the earlier model, while the training goes on
    write_checksums(checkpoint)
    assert load_checkpoint(checkpoint)[0] == load_config(longer)


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
def test_what_is_shipped_has_checksums(name: str, caplog: pytest.LogCaptureFixture) -> None:
    load_checkpoint(SHIPPED / name)
    assert caplog.records == []


@pytest.mark.parametrize("text", ["{", "3", '{"step": 1}\n{"st', '{"step": 1}\n[]\n'])
def test_damaged_metrics_are_named(checkpoint: Path, text: str) -> None:
    (checkpoint / "metrics.jsonl").write_text(text)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: "):
        read_metrics(checkpoint)


def test_metrics_are_read_in_order_and_may_be_missing(checkpoint: Path) -> None:
    (checkpoint / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    assert read_metrics(checkpoint) == [{"step": 1}, {"step": 2}]
    (checkpoint / "metrics.jsonl").unlink()
    assert read_metrics(checkpoint) == []
