"""What is shipped of a training."""

import gzip
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.checkpoint import CheckpointError, load_checkpoint
from models.config import DataConfig
from models.data.corpora import REPORTED, CorpusError, all_sources
from models.release import release, training_data
from tests.models.test_train import PAIRS, TINY, Workplace


def test_a_release_has_weights_recipes_checksums_and_a_card(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workplace = Workplace(tmp_path)
    for max_steps in (40, 80):
        with workplace.prepare(max_steps=max_steps, model=TINY) as training:
            training.run()
    checkpoint = tmp_path / "checkpoints" / "tiny"
    with pytest.raises(CorpusError, match="is missing"):
        release(workplace.run, checkpoint, workplace.folder / "data")
    assert not checkpoint.parent.exists()
    checkpoint.mkdir(parents=True)
    (checkpoint / "earlier").write_text("kept until the new one is whole")
    with pytest.raises(CorpusError, match="is missing"):
        release(workplace.run, checkpoint, workplace.folder / "data")
    assert [path.name for path in checkpoint.parent.rglob("*")] == ["tiny", "earlier"]

    for corpus in REPORTED:
        for part in all_sources()[corpus].parts:
            for language, side in (("en", 0), ("fr", 1)):
                path = workplace.folder / "data" / corpus / f"{part}.{language}.gz"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(gzip.compress("".join(f"{pair[side]}\n" for pair in PAIRS[:5]).encode()))
    release(workplace.run, checkpoint, workplace.folder / "data")
    assert {path.name for path in checkpoint.iterdir()} == {
        "MODEL_CARD.md",
        "SHA256SUMS",
        "config.toml",
        "config.until-40.toml",
        "curves.png",
        "metrics.jsonl",
        "model.safetensors",
        "tokenizer.model",
    }
    assert {tensor.dtype for tensor in load_file(checkpoint / "model.safetensors").values()} == {torch.float16}
    load_checkpoint(checkpoint)
    assert caplog.records == [], "its checksums are looked at"
    card = (checkpoint / "MODEL_CARD.md").read_text()
    for fact in (
        "# tiny, en to fr",
        "| training | 80 steps",
        "config.until-40.toml",
        "tatoeba/test",
        "Shares of the training text: tatoeba 100%.",
        "not under the licence of the code: attribution, which",
        "| tatoeba | everyday | CC BY 2.0 FR (https://tatoeba.org",
    ):
        assert fact in card


@pytest.mark.parametrize(
    ("name", "problem"), [("SHA256SUMS", "the training is not finished"), ("metrics.jsonl", "is missing: the card")]
)
def test_a_training_that_is_not_finished_is_not_released(tmp_path: Path, name: str, problem: str) -> None:
    workplace = Workplace(tmp_path)
    with workplace.prepare(max_steps=40, model=TINY) as training:
        training.run()
    (workplace.run / name).unlink()
    with pytest.raises(CheckpointError, match=problem):
        release(workplace.run, tmp_path / "checkpoint", workplace.folder / "data")


def test_the_card_tells_the_mix_and_the_teacher() -> None:
    settings = DataConfig(mix={"captions": 1, "phrases": 3}, distilled="distilled.tsv.gz", distilled_share=0.6)
    said = training_data(settings)
    assert "captions 25%, phrases 75%" in said
    assert "What is called phrases is this project's own" in said
    assert "60% have a teacher's translation" in said
    assert "teacher" not in training_data(DataConfig())
