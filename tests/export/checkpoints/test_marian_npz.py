"""Native Marian models are read as Marian computes them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.checkpoints.imported import Imported, Language
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
