"""`python -m export` from a trained checkpoint: what it writes, and what it refuses to write."""

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from export import quantize
from export.__main__ import ExportError, check_parity, commit, export, main, quantize_and_check
from export.graphs import export_encoder, export_step
from models.checkpoint import load_checkpoint
from models.data.corpora import CorpusError
from server.bundle.manifest import ENCODER, STEP, read_bundle
from tests.models.test_train import Workplace


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A model that was trained for a moment, with the corpora that the export measures on."""
    workplace = Workplace(tmp_path_factory.mktemp("export"))
    with workplace.prepare(max_steps=120, model="d_hidden = 64\nd_embedding = 64\ndropout = 0.0") as training:
        training.run()
    return workplace


def test_an_fp32_bundle_needs_no_corpus(workplace: Workplace, tmp_path: Path) -> None:
    config, model, tokenizer = load_checkpoint(workplace.run)
    folder = tmp_path / "tiny-en-fr" / "3"
    export(workplace.run, config, model, tokenizer, folder, "fp32", tmp_path / "nothing")
    manifest = read_bundle(folder).manifest
    assert (manifest.name, manifest.version, manifest.precision) == ("tiny-en-fr", "3", "fp32")
    assert [spec.name for spec in manifest.state] == [tensor.name for tensor in model.state]
    assert {"corpora", "licences", "recipe", "seed", "training", "commit"} <= manifest.provenance.keys()


def test_int8_without_validation_text_is_refused_and_leaves_nothing(workplace: Workplace, tmp_path: Path) -> None:
    config, model, tokenizer = load_checkpoint(workplace.run)
    with pytest.raises(CorpusError, match="is missing"):
        export(workplace.run, config, model, tokenizer, tmp_path / "tiny-en-fr" / "1", "int8", tmp_path / "nothing")
    assert list((tmp_path / "tiny-en-fr").iterdir()) == []


def test_a_failed_export_keeps_the_earlier_bundle(workplace: Workplace, tmp_path: Path) -> None:
    config, model, tokenizer = load_checkpoint(workplace.run)
    folder = tmp_path / "tiny-en-fr" / "3"
    export(workplace.run, config, model, tokenizer, folder, "fp32", tmp_path / "nothing")
    before = read_bundle(folder).manifest
    with pytest.raises(CorpusError):
        export(workplace.run, config, model, tokenizer, folder, "int8", tmp_path / "nothing")
    assert read_bundle(folder).manifest == before
    export(workplace.run, config, model, tokenizer, folder, "fp32", tmp_path / "nothing")
    assert [path.name for path in folder.parent.iterdir()] == ["3"], "replaced, and nothing left beside it"


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [
        ("tiny-en-fr", "<model repository>/<model name>/<version number> expected, got"),
        ("tiny-en-fr/2", "exists, and is no bundle that could be replaced"),
    ],
)
def test_a_folder_that_is_no_bundle_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bundle: str, problem: str
) -> None:
    kept = tmp_path / "tiny-en-fr" / "2" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("of value")
    monkeypatch.setattr(sys, "argv", ["export", str(tmp_path / "no checkpoint"), str(tmp_path / bundle)])
    with pytest.raises(SystemExit):
        main()
    assert problem in capsys.readouterr().err
    assert kept.read_text() == "of value"


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "unknown"


def test_a_model_that_has_no_cache_cannot_be_exported_without_it(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tiny-en-fr" / "1"
    monkeypatch.setattr(sys, "argv", ["export", str(workplace.run), str(folder), "--without-cache"])
    with pytest.raises(SystemExit, match="error: LstmAttention has no cache to leave out"):
        main()
    assert not folder.exists()


def test_graphs_of_other_weights_are_refused(workplace: Workplace, tmp_path: Path) -> None:
    _, model, tokenizer = load_checkpoint(workplace.run)
    export_encoder(model, tmp_path / ENCODER)
    export_step(model, tmp_path / STEP)
    check_parity(model, tmp_path, tokenizer.get_piece_size())
    next(model.parameters()).data += 0.5
    with pytest.raises(ExportError, match="differ by"):
        check_parity(model, tmp_path, tokenizer.get_piece_size())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_checkpoint_whose_weights_are_not_finite_is_refused_in_one_line(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    spoilt, bundle = tmp_path / "spoilt", tmp_path / "tiny-en-fr" / "1"
    shutil.copytree(workplace.run, spoilt)
    weights = load_file(spoilt / "model.safetensors")
    name = next(iter(weights))
    weights[name].view(-1)[-1] = value
    save_file(weights, spoilt / "model.safetensors")
    monkeypatch.setattr(sys, "argv", ["export", str(spoilt), str(bundle), "--precision", "fp32"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"error: {spoilt / 'model.safetensors'}: weights that are not finite: {name}"
    assert not bundle.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_graphs_that_compute_nan_are_refused(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """Also where PyTorch computes it as well, from the first token or from a later one on."""
    _, model, tokenizer = load_checkpoint(workplace.run)
    export_encoder(model, tmp_path / ENCODER)
    export_step(model, tmp_path / STEP)
    step = model.step

    def break_later(ids: Tensor, positions: Tensor, state: Any) -> Any:
        logits, next_state = step(ids, positions, state)
        return (logits * value if positions[0] == 3 else logits), next_state

    monkeypatch.setattr(model, "step", break_later)
    with pytest.raises(ExportError, match="differ by nan nats"):
        check_parity(model, tmp_path, tokenizer.get_piece_size())
    monkeypatch.undo()
    with torch.no_grad():
        next(model.parameters()).fill_(value)
    export_encoder(model, tmp_path / ENCODER)
    export_step(model, tmp_path / STEP)
    with pytest.raises(ExportError, match="differ by nan nats"):
        check_parity(model, tmp_path, tokenizer.get_piece_size())


def test_int8_that_loses_too_much_is_refused(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, model, tokenizer = load_checkpoint(workplace.run)
    whole, coarse = tmp_path / "whole", tmp_path / "coarse"
    whole.mkdir()
    export_encoder(model, whole / ENCODER)
    export_step(model, whole / STEP)
    shutil.copytree(whole, coarse)
    quantize_and_check(model, whole, tokenizer, workplace.folder / "data", config)
    monkeypatch.setattr(quantize, "WEIGHT_LEVELS", 1)  # weights of -1, 0 and 1
    with pytest.raises(ExportError, match=r"int8 loses .* BLEU on tatoeba, 0.5 is allowed"):
        quantize_and_check(model, coarse, tokenizer, workplace.folder / "data", config)
