"""Native Marian models are read as Marian computes them, or refused in words that name every problem."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.checkpoints.imported import Imported, ImportProblem, Language
from export.checkpoints.marian_npz import read, recognises
from models.encoder_decoder import EncoderDecoder
from tests.export.checkpoints.marian_files import (
    D_MODEL,
    DECODER_FFN,
    ENCODER_FFN,
    change_arrays,
    marian_folder,
    model_arrays,
    model_options,
    piece_names,
    pieces_model,
    write_decoder,
    write_npz,
    yaml_array,
)

EN_FR = ("en", "fr")
NUM_PIECES = len(piece_names(pieces_model()))

LAYOUTS: dict[str, dict[str, str]] = {
    "post-norm, all tied": {},
    "pre-norm": {
        "transformer_preprocess": "n",
        "transformer_postprocess": "da",
        "transformer_postprocess_top": "n",
        "transformer_ffn_activation": "gelu",
    },
    "pre-norm without a last norm": {"transformer_preprocess": "dn", "transformer_postprocess": "da"},
    "post-norm with a last norm": {"transformer_postprocess_top": "dn"},
    "normalised embeddings": {"transformer_postprocess_emb": "nd"},
    "nothing tied": {"tied_embeddings_all": "false"},
    "output tied to the target": {"tied_embeddings_all": "false", "tied_embeddings": "true"},
    "source tied to the target": {"tied_embeddings_all": "false", "tied_embeddings_src": "true"},
    "source, target and output tied": {
        "tied_embeddings_all": "false",
        "tied_embeddings_src": "true",
        "tied_embeddings": "true",
    },
    "without output bias": {"output_omit_bias": "true"},
    "one width of both sides": {"transformer_decoder_dim_ffn": "0"},
    "an SSRU": {"transformer_decoder_autoreg": "rnn", "dec_cell": "ssru", "transformer_ffn_activation": "relu"},
    "an SSRU, pre-norm": {
        "transformer_decoder_autoreg": "rnn",
        "dec_cell": "ssru",
        "transformer_preprocess": "n",
        "transformer_postprocess": "da",
    },
}


def problems_of(folder: Path, languages: tuple[str, str] | None = EN_FR) -> list[str]:
    with pytest.raises(ImportProblem) as caught:
        read(folder, languages, "own")
    return list(caught.value.problems)


def load(imported: Imported) -> EncoderDecoder:
    model = EncoderDecoder(imported.settings).eval()
    model.load_state_dict(imported.weights, strict=True)
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_fills_the_model(layout: str, tmp_path: Path) -> None:
    imported = read(marian_folder(tmp_path, **LAYOUTS[layout]), EN_FR, "own")
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in imported.weights.values())
    log_probs = load(imported).forward(torch.tensor([[5, 6, 0]]), torch.tensor([3]), torch.tensor([[NUM_PIECES, 7]]))
    assert log_probs.isfinite().all()
    is_pre_norm = LAYOUTS[layout].get("transformer_preprocess") is not None
    assert len(imported.warnings) == (is_pre_norm and "dec_cell" not in LAYOUTS[layout])


def test_matrices_are_transposed_and_vectors_are_not(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    arrays = np.load(folder / "model.npz")
    weights = read(folder, EN_FR, "own").weights
    for ours, theirs in (
        ("encoder_layers.1.attention.key.weight", "encoder_l2_self_Wk"),
        ("encoder_layers.0.ffn.inner.weight", "encoder_l1_ffn_W1"),
        ("decoder_layers.0.cross_attention.output.weight", "decoder_l1_context_Wo"),
        ("decoder_layers.0.ffn.outer.weight", "decoder_l1_ffn_W2"),
    ):
        np.testing.assert_array_equal(weights[ours].numpy(), arrays[theirs].T)
    for ours, theirs in (
        ("encoder_layers.1.ffn.inner.bias", "encoder_l2_ffn_b1"),
        ("decoder_layers.0.self_norm.weight", "decoder_l1_self_Wo_ln_scale"),
        ("decoder_layers.0.ffn_norm.bias", "decoder_l1_ffn_ffn_ln_bias"),
    ):
        np.testing.assert_array_equal(weights[ours].numpy(), arrays[theirs][0])
    assert weights["encoder_layers.0.ffn.inner.weight"].shape == (ENCODER_FFN, D_MODEL)
    assert weights["decoder_layers.0.ffn.inner.weight"].shape == (DECODER_FFN, D_MODEL)


def test_the_decoder_starts_with_a_row_of_zeros_behind_the_vocabulary(tmp_path: Path) -> None:
    imported = read(marian_folder(tmp_path), EN_FR, "own")
    arrays = np.load(tmp_path / "model.npz")
    assert imported.start_id == NUM_PIECES
    assert imported.settings.source_vocabulary == imported.settings.target_vocabulary == NUM_PIECES + 1
    np.testing.assert_array_equal(imported.weights["embedding.weight"][:-1].numpy(), arrays["Wemb"])
    assert imported.weights["embedding.weight"][-1].eq(0).all()
    np.testing.assert_array_equal(imported.weights["output_bias"][:-1].numpy(), arrays["decoder_ff_logit_out_b"][0])
    assert imported.weights["output_bias"][-1] == 0
    assert imported.source.names is not None
    assert len(imported.source.names) == len(set(imported.source.names)) == NUM_PIECES + 1
    assert imported.never_written == (1, NUM_PIECES)
    assert (imported.eos_id, imported.unknown_id) == (0, 1)


@pytest.mark.parametrize("positions", ["own", "marian"])
def test_positions_are_marians_own_sinusoids(positions: Any, tmp_path: Path) -> None:
    weights = read(marian_folder(tmp_path), EN_FR, positions).weights
    for table in (weights["source_positions"], weights["target_positions"]):
        assert table.shape == (512, D_MODEL)
        for position in (0, 1, 7, 511):
            for index in range(D_MODEL // 2):
                angle = position / 10_000 ** (index / (D_MODEL / 2 - 1))
                assert table[position, index].item() == pytest.approx(math.sin(angle), abs=1e-6)
                assert table[position, D_MODEL // 2 + index].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_learned_positions_are_those_of_the_file_and_embeddings_are_not_scaled_beside_them(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    table = np.random.default_rng(2).normal(size=(40, D_MODEL)).astype(np.float32)
    change_arrays(folder, Wpos=table)
    imported = read(folder, EN_FR, "own")
    assert imported.settings.embedding_scale == 1
    assert (imported.max_source_tokens, imported.max_output_tokens) == (40, 40)
    np.testing.assert_array_equal(imported.weights["source_positions"].numpy(), table)
    np.testing.assert_array_equal(imported.weights["target_positions"].numpy(), table)


def test_embeddings_are_scaled_beside_sinusoids_whatever_the_option_of_learned_positions_says(tmp_path: Path) -> None:
    imported = read(marian_folder(tmp_path, transformer_train_position_embeddings="true"), EN_FR, "own")
    assert imported.settings.embedding_scale == math.sqrt(D_MODEL)


def test_an_output_layer_is_read_as_older_versions_wrote_it(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path, tied_embeddings_all="false")
    new = read(folder, EN_FR, "own").weights
    array = np.load(folder / "model.npz")["decoder_ff_logit_out_Wt"]
    change_arrays(folder, decoder_ff_logit_out_Wt=None, decoder_ff_logit_out_W=np.asfortranarray(array.T))
    old = read(folder, EN_FR, "own").weights
    assert all(torch.equal(new[name], old[name]) for name in new)


@pytest.mark.parametrize("num_nuls", [0, 1, 2, 300])
def test_the_yaml_of_a_model_ends_with_any_number_of_nuls(num_nuls: int, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(folder, **{"special:model.yml": yaml_array(model_options(NUM_PIECES, NUM_PIECES), num_nuls)})
    assert read(folder, EN_FR, "own").settings.d_model == D_MODEL


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    array = np.load(folder / "model.npz")["Wemb"]
    change_arrays(folder, Wemb=array.astype(np.float16))
    weight = read(folder, EN_FR, "own").weights["embedding.weight"]
    assert weight.dtype == torch.float32
    np.testing.assert_allclose(weight[:-1].numpy(), array, atol=1e-3)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("type", "s2s"),
        ("type", "transformer-new"),
        ("right-left", "true"),
        ("transformer-ffn-depth", "3"),
        ("transformer-decoder-ffn-depth", "1"),
        ("transformer-ffn-activation", "geglu"),
        ("transformer-no-projection", "true"),
        ("transformer-rnn-projection", "true"),
        ("transformer-pool", "true"),
        ("transformer-no-bias", "true"),
        ("transformer-no-affine", "true"),
        ("transformer-disable-position-embeddings", "true"),
        ("transformer-attention-mask", "alibi"),
        ("transformer-decoder-autoreg", "average-attention"),
        ("transformer-tied-layers", "\n  - 1"),
        ("transformer-postprocess-top", "a"),
        ("transformer-postprocess-emb", "r"),
        ("transformer-postprocess", "dar"),
        ("transformer-postprocess", "dhn"),
        ("transformer-preprocess", "n"),
        ("lemma-dim-emb", "64"),
        ("layer-normalization", "true"),
        ("ulr", "true"),
        ("input-types", "\n  - class"),
        ("dim-emb", "many"),
        ("dim-emb", "18"),
        ("enc-depth", "0"),
        ("enc-depth", "-1"),
        ("transformer-heads", "3"),
        ("dim-vocabs", "\n  - 100"),
        ("dim-vocabs", "\n  - 100\n  - 100\n  - 100"),
        ("dim-vocabs", "\n  - 0\n  - 100"),
        ("dim-vocabs", "100"),
        ("tied-embeddings", "maybe"),
    ],
)
def test_an_option_that_is_not_supported_is_refused_by_its_name_and_value(
    option: str, value: str, tmp_path: Path
) -> None:
    folder = marian_folder(tmp_path)
    options = model_options(NUM_PIECES, NUM_PIECES) | {option: value}
    change_arrays(folder, **{"special:model.yml": yaml_array(options)})
    (problem,) = problems_of(folder)
    assert problem.startswith("model.npz: special:model.yml: ")
    assert option in problem
    assert value.replace("\n  - ", ", ").removeprefix(", ").split("-")[-1] in problem


def test_a_recurrence_other_than_the_ssru_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(marian_folder(tmp_path, transformer_decoder_autoreg="rnn", dec_cell="gru"))
    assert "dec-cell: ssru" in problem
    assert problem.endswith("got gru")


@pytest.mark.parametrize("version", ["v1.9.0 ba94c5b9 2020-05-17 10:42:17 +0100", "v1.12.0", "unknown"])
def test_a_gelu_that_may_be_the_approximate_one_is_refused(version: str, tmp_path: Path) -> None:
    (problem,) = problems_of(marian_folder(tmp_path, transformer_ffn_activation="gelu", version=version))
    assert "transformer-ffn-activation=gelu" in problem
    assert version in problem


@pytest.mark.parametrize("version", ["v1.9.0 ba94c5b9 2020-05-17 10:42:17 +0100", "unknown"])
def test_norms_before_sublayers_are_refused_of_versions_that_left_keys_unnormalised(
    version: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(marian_folder(tmp_path, **LAYOUTS["pre-norm without a last norm"], version=version))
    assert "transformer-preprocess=n" in problem
    assert version in problem


def test_options_that_older_versions_did_not_have_are_as_they_were(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path, transformer_decoder_dim_ffn="0")
    options = model_options(NUM_PIECES, NUM_PIECES, version="v1.7.6 02f4af4 2018-12-12 18:51:10 -0800")
    for name in (
        "transformer-decoder-dim-ffn",
        "transformer-postprocess-top",
        "output-omit-bias",
        "input-types",
        "lemma-dim-emb",
        "transformer-train-position-embeddings",
    ):
        del options[name]
    change_arrays(folder, **{"special:model.yml": yaml_array(options)})
    settings = read(folder, EN_FR, "own").settings
    assert settings.d_decoder_ffn == ENCODER_FFN
    assert settings.output_bias
    assert not settings.final_norm


def test_a_key_that_nobody_knows_is_a_warning(tmp_path: Path) -> None:
    imported = read(marian_folder(tmp_path, transformer_quantum_state="spin"), EN_FR, "own")
    assert len(imported.warnings) == 1
    assert "transformer-quantum-state=spin" in imported.warnings[0]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path, transformer_ffn_depth="3", right_left="true")
    (folder / "vocab.spm").unlink()
    problems = problems_of(folder, languages=None)
    for part in ("transformer-ffn-depth", "right-left", "vocab.spm", "source language", "target language"):
        assert any(part in problem for problem in problems), (part, problems)


def test_tensors_that_are_missing_unknown_misshapen_or_not_finite_are_all_named(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(
        folder,
        encoder_l1_self_Wq=None,
        encoder_l9_self_Wq=np.zeros((2, 3), np.float32),
        decoder_l1_context_bk=np.zeros((1, 5), np.float32),
        encoder_l2_ffn_b1=np.full((1, ENCODER_FFN), np.nan, np.float32),
        encoder_l2_ffn_b2=np.zeros((1, D_MODEL), np.int32),
    )
    assert sorted(problems_of(folder)) == [
        "model.npz: decoder_l1_context_bk: shape [1, 16] expected, got [1, 5]",
        "model.npz: encoder_l1_self_Wq: missing, [16, 16] expected",
        "model.npz: encoder_l2_ffn_b1: finite numbers expected",
        "model.npz: encoder_l2_ffn_b2: float32 or float16 expected, got int32",
        "model.npz: encoder_l9_self_Wq: unknown tensor, of shape [2, 3]",
    ]


def test_a_model_without_its_yaml_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(folder, **{"special:model.yml": None})
    assert "no special:model.yml" in problems_of(folder)[0]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"a: b: [", b"no colon here", b"  indented: 1"])
def test_a_yaml_that_cannot_be_read_is_refused(content: bytes, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(folder, **{"special:model.yml": np.frombuffer(content, np.int8)})
    assert problems_of(folder)[0].startswith("model.npz: special:model.yml: ")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_damaged_file_is_refused(share: float, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    content = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(content[: int(len(content) * share)])
    assert problems_of(folder)[0].startswith("model.npz: no archive of arrays that can be read")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    write_npz(folder / "model.npz", {"Wemb": np.array([{}], dtype=object)})
    assert problems_of(folder)[0].startswith("model.npz: no archive of arrays that can be read")


def test_embeddings_that_are_tied_need_one_vocabulary(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    names = piece_names(pieces_model())
    (folder / "other.vocab.yml").write_text("".join(f'"{name}": {index}\n' for index, name in enumerate(names[::-1])))
    (folder / "source.spm").write_bytes(pieces_model())
    write_decoder(folder / "decoder.yml", "model.npz", "other.vocab.yml", "vocab.spm")
    assert any("one for both sides" in problem for problem in problems_of(folder))


def test_it_recognises_models_and_not_the_optimizers_state_or_other_formats(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    write_npz(tmp_path / "model.npz.optimizer.npz", {"m": np.zeros(1)})
    assert not recognises(tmp_path)
    write_npz(tmp_path / "model.npz", {"m": np.zeros(1)})
    assert recognises(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert not recognises(tmp_path)


def test_one_pair_of_languages_has_no_tokens(tmp_path: Path) -> None:
    imported = read(marian_folder(tmp_path), ("eng", "fra"), "own")
    assert imported.languages == (Language(code="en", is_target=False), Language(code="fr", is_source=False))
    assert imported.source_template == ("{text}", 0)
    assert imported.forced_target == ()


def test_bytes_that_would_end_a_line_are_never_written(tmp_path: Path) -> None:
    model = pieces_model(byte_fallback=True)
    names = piece_names(model)
    (tmp_path / "vocab.spm").write_bytes(model)
    write_npz(tmp_path / "model.npz", model_arrays(model_options(len(names), len(names))))
    imported = read(tmp_path, EN_FR, "own")
    assert {names.index("<0x0A>"), names.index("<0x00>"), 1, len(names)} <= set(imported.never_written)
    assert names.index("<0x20>") not in imported.never_written
    assert len(imported.never_written) == 34
