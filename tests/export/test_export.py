"""`python -m export` from a trained checkpoint: what it writes, and what it refuses to write."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from export import quantize
from export.__main__ import ExportOptions, export, main, read_pairs, read_validation_for
from export.errors import ExportError
from export.graphs import export_encoder, export_step
from export.manifest import WEIGHTS_SHA256, commit
from export.parity import check_parity
from export.quality import quantize_and_check, validation_bleu
from models.checkpoint import CHECKSUMS, CheckpointError, file_sha256, load_checkpoint
from models.data.corpora import CorpusError
from models.data.training_text import read_validation
from models.tokenizer import train_tokenizer
from server.bundle.licences import training_licences
from server.bundle.manifest import ENCODER, STEP, read_bundle, write_manifest
from tests.models.test_train import PAIRS, TRAINED, Workplace


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A model that was trained for a moment, with the corpora that the export measures on."""
    workplace = Workplace(tmp_path_factory.mktemp("export"))
    with workplace.prepare(max_steps=120, model="d_hidden = 64\nd_embedding = 64\ndropout = 0.0") as training:
        training.run()
    return workplace


@pytest.fixture(scope="module")
def exported(workplace: Workplace) -> Path:
    """A bundle of that model, exported where there is no corpus."""
    folder = workplace.folder / "exported" / "tiny-en-fr" / "1"
    export(workplace.run, folder, ExportOptions(data=workplace.folder / "nothing", precision="fp32"))
    return folder


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(exported, tmp_path / "tiny-en-fr" / "1")


@pytest.fixture
def checkpoint(workplace: Workplace, tmp_path: Path) -> Path:
    """A copy that may be damaged; as from before there were checksums."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(workplace.run, folder)
    (folder / CHECKSUMS).unlink()
    return folder


@pytest.fixture
def without_data(tmp_path: Path) -> ExportOptions:
    return ExportOptions(data=tmp_path / "nothing", precision="fp32")


@pytest.fixture
def with_data(workplace: Workplace) -> ExportOptions:
    return ExportOptions(data=workplace.folder / "data", precision="fp32")


def test_an_fp32_bundle_needs_no_corpus(workplace: Workplace, exported: Path) -> None:
    _, model, _ = load_checkpoint(workplace.run)
    manifest = read_bundle(exported).manifest
    assert (manifest.name, manifest.version, manifest.precision) == ("tiny-en-fr", "1", "fp32")
    assert [spec.name for spec in manifest.state] == [tensor.name for tensor in model.state]
    assert manifest.provenance["licence"] == "attribution"
    assert training_licences(manifest.provenance).keys() == {"tatoeba"}
    assert {"mix", "recipe", "seed", "training", "commit"} <= manifest.provenance.keys()
    assert manifest.provenance[WEIGHTS_SHA256] == file_sha256(workplace.run / "model.safetensors")


def test_an_fp32_export_without_validation_text_says_that_nobody_has_looked(
    workplace: Workplace, without_data: ExportOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _, _ = load_checkpoint(workplace.run)
    assert read_validation_for(without_data, config) == {}
    assert "warning: nobody has looked whether the graphs translate well: " in capsys.readouterr().err


def test_int8_without_validation_text_is_refused_and_leaves_nothing(
    workplace: Workplace, tmp_path: Path, without_data: ExportOptions
) -> None:
    folder = tmp_path / "model_repository" / "tiny-en-fr" / "1"
    with pytest.raises(CorpusError, match="is missing"):
        export(workplace.run, folder, dataclasses.replace(without_data, precision="int8"))
    assert list(tmp_path.iterdir()) == []


def test_the_same_model_is_exported_over_its_own_bundle(
    workplace: Workplace, bundle: Path, with_data: ExportOptions
) -> None:
    write_manifest(bundle, dataclasses.replace(read_bundle(bundle).manifest, precision="int8", max_output_tokens=7))
    export(workplace.run, bundle, with_data)
    assert read_bundle(bundle).manifest.max_output_tokens == 256
    assert [path.name for path in bundle.parent.iterdir()] == ["1"], "replaced, and nothing left beside it"


def test_a_failed_export_keeps_the_earlier_bundle(
    workplace: Workplace, bundle: Path, without_data: ExportOptions
) -> None:
    before = read_bundle(bundle).manifest
    with pytest.raises(CorpusError):
        export(workplace.run, bundle, dataclasses.replace(without_data, precision="int8"))
    assert read_bundle(bundle).manifest == before
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]


@pytest.mark.nightly
def test_another_model_s_bundle_is_replaced_by_a_flag(
    workplace: Workplace, bundle: Path, without_data: ExportOptions
) -> None:
    write_manifest(bundle, dataclasses.replace(read_bundle(bundle).manifest, architecture="lstm"))
    with pytest.raises(ExportError, match=r"architecture lstm is there, lstm_attention would replace it.* --replace"):
        export(workplace.run, bundle, without_data)
    assert read_bundle(bundle).manifest.architecture == "lstm"
    export(workplace.run, bundle, dataclasses.replace(without_data, replace=True))
    assert read_bundle(bundle).manifest.architecture == "lstm_attention"


def test_a_wrong_tokenizer_of_the_same_size_is_refused_and_leaves_nothing(
    checkpoint: Path, tmp_path: Path, with_data: ExportOptions
) -> None:
    backwards = [sentence[::-1] for pair in PAIRS for sentence in pair]
    train_tokenizer(backwards, checkpoint / "tokenizer.model", 60)
    with pytest.raises(
        ExportError, match=r"far below what training recorded \(tatoeba/val: \d+\.\d\d, metrics\.jsonl.* damaged"
    ):
        export(checkpoint, tmp_path / "model_repository" / "tiny-en-fr" / "1", with_data)
    assert list(tmp_path.iterdir()) == [checkpoint]


@pytest.mark.nightly
def test_weights_that_were_damaged_are_refused(checkpoint: Path, tmp_path: Path, with_data: ExportOptions) -> None:
    """As a byte does that says how large a number is, where no checksums tell."""
    weights = load_file(checkpoint / "model.safetensors")
    weights["combine.weight"].view(-1)[::7] *= 1e6
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match=r"far below what training recorded .* damaged"):
        export(checkpoint, tmp_path / "tiny-en-fr" / "1", with_data)


def test_a_changed_byte_is_refused_by_the_checksums(workplace: Workplace, tmp_path: Path) -> None:
    spoilt, bundle = tmp_path / "spoilt", tmp_path / "repository" / "tiny-en-fr" / "1"
    shutil.copytree(workplace.run, spoilt)
    content = bytearray((spoilt / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (spoilt / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: SHA-256 is"):
        export(spoilt, bundle, ExportOptions(data=workplace.folder / "data", allow_low_bleu=True))
    assert not bundle.parent.parent.exists()


def test_a_model_that_has_just_begun_is_exported_by_a_flag(
    checkpoint: Path, tmp_path: Path, with_data: ExportOptions
) -> None:
    weights = {name: torch.zeros_like(tensor) for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    save_file(weights, checkpoint / "model.safetensors")
    folder = tmp_path / "tiny-en-fr" / "1"
    main([str(checkpoint), str(folder), "--data", str(with_data.data), "--precision", "fp32", "--allow-low-bleu"])
    assert read_bundle(folder)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tiny-en-fr", "<model repository>/<model name>/<version number> expected, got"),
        ("tiny-en-fr/2", "exists, and is no bundle that could be replaced"),
    ],
)
def test_a_folder_that_is_no_bundle_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, problem: str
) -> None:
    kept = tmp_path / "tiny-en-fr" / "2" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("of value")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "no checkpoint"), str(tmp_path / path)])
    assert problem in capsys.readouterr().err
    assert kept.read_text() == "of value"


def test_a_student_is_exported_where_its_teacher_s_file_is_not(workplace: Workplace) -> None:
    config, _, _ = load_checkpoint(workplace.run)
    student = dataclasses.replace(config, data=dataclasses.replace(config.data, distilled="runs/gone.tsv.gz"))
    pairs = read_pairs(workplace.folder / "data", student)
    assert set(pairs) == set(TRAINED)


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "unknown"


def test_a_model_that_has_no_cache_cannot_be_exported_without_it(workplace: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-en-fr" / "1"
    with pytest.raises(SystemExit, match="error: LstmAttention has no cache to leave out"):
        main([str(workplace.run), str(folder), "--without-cache"])
    assert not folder.exists()


def test_graphs_of_other_weights_are_refused(workplace: Workplace, exported: Path) -> None:
    _, model, tokenizer = load_checkpoint(workplace.run)
    check_parity(model, exported, tokenizer.get_piece_size())
    next(model.parameters()).data += 0.5
    with pytest.raises(ExportError, match="differ by"):
        check_parity(model, exported, tokenizer.get_piece_size())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_checkpoint_whose_weights_are_not_finite_is_refused_in_one_line(
    checkpoint: Path, tmp_path: Path, value: float
) -> None:
    bundle = tmp_path / "tiny-en-fr" / "1"
    weights = load_file(checkpoint / "model.safetensors")
    name = next(iter(weights))
    weights[name].view(-1)[-1] = value
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(SystemExit) as ended:
        main([str(checkpoint), str(bundle), "--precision", "fp32"])
    assert ended.value.code == f"error: {checkpoint / 'model.safetensors'}: weights that are not finite: {name}"
    assert not bundle.exists()


@pytest.mark.parametrize("value", [math.nan, pytest.param(math.inf, marks=pytest.mark.nightly)])
def test_graphs_that_compute_nan_are_refused(
    workplace: Workplace, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """Also where PyTorch computes it as well, from the first token or from a later one on."""
    _, model, tokenizer = load_checkpoint(workplace.run)
    step = model.step

    def break_later(ids: Tensor, positions: Tensor, state: Any) -> Any:
        logits, next_state = step(ids, positions, state)
        return (logits * value if positions[0] == 3 else logits), next_state

    monkeypatch.setattr(model, "step", break_later)
    with pytest.raises(ExportError, match="differ by nan nats"):
        check_parity(model, exported, tokenizer.get_piece_size())
    monkeypatch.undo()
    with torch.no_grad():
        next(model.parameters()).fill_(value)
    export_encoder(model, tmp_path / ENCODER)
    export_step(model, tmp_path / STEP)
    with pytest.raises(ExportError, match="differ by nan nats"):
        check_parity(model, tmp_path, tokenizer.get_piece_size())


def test_int8_that_loses_too_much_is_refused_with_a_way_out(
    workplace: Workplace, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, model, tokenizer = load_checkpoint(workplace.run)
    whole, coarse = (shutil.copytree(exported, tmp_path / name) for name in ("whole", "coarse"))
    validation = read_validation(workplace.folder / "data", config.data.direction)
    full = validation_bleu(model, whole, tokenizer, validation)
    quantize_and_check(model, whole, tokenizer, validation, full)
    monkeypatch.setattr(quantize, "WEIGHT_LEVELS", 1)  # weights of -1, 0 and 1
    with pytest.raises(
        ExportError, match=r"int8 loses .* BLEU on tatoeba, 0.5 is allowed: export it with --precision fp32, .* longer"
    ):
        quantize_and_check(model, coarse, tokenizer, validation, full)
