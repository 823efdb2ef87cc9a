import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from export.checkpoints import read_checkpoint
from export.checkpoints.imported import ImportProblem
from tests.export.checkpoints.folders import D_MODEL, MAX_POSITIONS, Folder, Layout, marian


def problems_of(folder: Folder, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ImportProblem) as raised:
        read_checkpoint(folder.write(), **arguments)
    return raised.value.problems


def test_a_bilingual_checkpoint_says_everything_that_serving_needs(tmp_path: Path) -> None:
    folder = marian(tmp_path / "opus-mt-en-fr")
    imported = read_checkpoint(folder.write())
    pad = folder.config["pad_token_id"]
    assert imported.family == "marian"
    assert [(language.code, language.is_source, language.is_target) for language in imported.languages] == [
        ("en", True, False),
        ("fr", False, True),
    ]
    assert (imported.start_id, imported.eos_id, imported.pad_id, imported.unknown_id) == (pad, 0, pad, 1)
    assert imported.never_written == (1, pad)
    assert imported.source_template == ("{text}", 0)
    assert imported.forced_target == ()
    assert imported.alignment_heads == (0,)
    assert imported.shares_vocabulary
    assert imported.warnings == ()
    assert imported.provenance["positions"] == "own"
    assert "num_beams=6" in imported.provenance["declared_generation"]


@pytest.mark.parametrize("layout", get_args(Layout))
def test_all_layouts_hold_the_same_model(layout: Layout, tmp_path: Path) -> None:
    expected = read_checkpoint(marian(tmp_path / "first").write()).weights
    weights = read_checkpoint(marian(tmp_path / "second").write(layout)).weights
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_half_precision_is_computed_with_in_float32(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.tensors = {name: tensor.half() for name, tensor in folder.tensors.items()}
    imported = read_checkpoint(folder.write())
    assert {tensor.dtype for tensor in imported.weights.values()} == {torch.float32}
    assert "float16" in imported.provenance["weights_file"]


def test_version_4_repeats_tied_tables_and_writes_more_keys(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    shared = folder.tensors["model.shared.weight"]
    for name in ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"):
        folder.tensors[name] = shared
    folder.config |= {"num_hidden_layers": 2, "add_bias_logits": False, "static_position_embeddings": True}
    folder.config |= {"normalize_before": False, "add_final_layer_norm": False, "normalize_embedding": False}
    folder.config |= {"bad_words_ids": [[folder.config["pad_token_id"]]], "torch_dtype": "float16", "num_beams": 4}
    del folder.config["tie_word_embeddings"], folder.json_files["generation_config.json"]
    folder.json_files["special_tokens_map.json"] = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    imported = read_checkpoint(folder.write("legacy"))
    assert imported.warnings == ()
    assert torch.equal(imported.weights["embedding.weight"], shared)


@pytest.mark.parametrize("only", ["lm_head.weight", "model.decoder.embed_tokens.weight"])
def test_a_tied_table_may_be_stored_under_any_of_its_names(only: str, tmp_path: Path) -> None:
    folder = marian(tmp_path)
    table = folder.tensors.pop("model.shared.weight")
    folder.tensors[only] = table
    assert torch.equal(read_checkpoint(folder.write()).weights["embedding.weight"], table)


def test_junk_in_the_output_layer_loses_against_the_declared_tie(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    shared = folder.tensors["model.shared.weight"]
    folder.tensors["lm_head.weight"] = torch.full_like(shared, 3.0)
    imported = read_checkpoint(folder.write())
    assert imported.settings.ties_output
    assert torch.equal(imported.weights["embedding.weight"], shared)
    assert any("lm_head.weight differs from model.shared.weight" in warning for warning in imported.warnings)


def test_an_output_layer_that_is_declared_as_its_own_is_its_own(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["tie_word_embeddings"] = False
    folder.tensors["lm_head.weight"] = torch.full_like(folder.tensors["model.shared.weight"], 3.0)
    imported = read_checkpoint(folder.write())
    assert not imported.settings.ties_output
    assert torch.equal(imported.weights["output.weight"], folder.tensors["lm_head.weight"])


def test_separate_vocabularies_have_tables_and_pieces_of_their_own(tmp_path: Path) -> None:
    folder = marian(tmp_path, separate=True)
    imported = read_checkpoint(folder.write())
    assert not imported.shares_vocabulary
    assert not imported.settings.shares_embeddings
    source, target = imported.weights["source_embedding.weight"], imported.weights["target_embedding.weight"]
    assert torch.equal(source, folder.tensors["model.encoder.embed_tokens.weight"])
    assert torch.equal(target, folder.tensors["model.decoder.embed_tokens.weight"])
    assert imported.source.names != imported.target.names


def test_the_output_bias_is_kept(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    imported = read_checkpoint(folder.write())
    assert torch.equal(imported.weights["output_bias"], folder.tensors["final_logits_bias"][0])


def test_a_missing_output_bias_is_refused(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    del folder.tensors["final_logits_bias"]
    assert "tensors that are missing: final_logits_bias" in problems_of(folder)[0]


def test_the_decoder_starts_from_the_padding_row_and_never_writes_it(tmp_path: Path) -> None:
    imported = read_checkpoint(marian(tmp_path).write())
    assert not imported.weights["embedding.weight"][imported.start_id].any()
    assert imported.start_id in imported.never_written


def test_the_end_may_be_written_though_older_files_call_it_the_beginning_too(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["bos_token_id"] = 0
    assert 0 not in read_checkpoint(folder.write()).never_written


def test_generation_config_counts_before_config(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.config["decoder_start_token_id"] = 7
    imported = read_checkpoint(folder.write())
    assert imported.start_id == folder.json_files["generation_config.json"]["decoder_start_token_id"]


def test_an_older_checkpoint_says_in_config_how_it_generates(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    del folder.json_files["generation_config.json"]
    folder.config |= {"bad_words_ids": [[5]], "no_repeat_ngram_size": 3}
    imported = read_checkpoint(folder.write())
    assert 5 in imported.never_written
    assert imported.start_id == folder.config["decoder_start_token_id"]
    assert any("no_repeat_ngram_size=3" in warning for warning in imported.warnings)


def test_positions_are_the_checkpoints_own_by_default(tmp_path: Path) -> None:
    table = read_checkpoint(marian(tmp_path).write()).weights["source_positions"]
    assert table.shape == (MAX_POSITIONS, D_MODEL)
    half = D_MODEL // 2
    for position in (0, 1, 31):
        for index in (0, 3, half - 1):
            angle = position * 10000 ** (-2 * index / D_MODEL)
            assert math.isclose(table[position, index], math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[position, half + index], math.cos(angle), abs_tol=1e-6)


def test_positions_may_be_those_that_marian_trained_with(tmp_path: Path) -> None:
    imported = read_checkpoint(marian(tmp_path).write(), positions="marian")
    half = D_MODEL // 2
    for name in ("source_positions", "target_positions"):
        for position in (0, 1, 31):
            for index in (0, 3, half - 1):
                angle = position * 10000 ** (-index / (half - 1))
                assert math.isclose(imported.weights[name][position, index], math.sin(angle), abs_tol=1e-6)
                assert math.isclose(imported.weights[name][position, half + index], math.cos(angle), abs_tol=1e-6)
    assert "Marian" in imported.provenance["positions"]


def test_a_stored_table_of_positions_is_used(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    table = torch.full((MAX_POSITIONS, D_MODEL), 0.25)
    folder.tensors["model.encoder.embed_positions.weight"] = table
    imported = read_checkpoint(folder.write())
    assert torch.equal(imported.weights["source_positions"], table)
    assert not torch.equal(imported.weights["target_positions"], table)


def test_limits_are_those_of_the_table_of_positions_and_not_of_generation(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.json_files["generation_config.json"]["max_length"] = 20
    imported = read_checkpoint(folder.write())
    assert (imported.max_source_tokens, imported.max_output_tokens) == (MAX_POSITIONS, MAX_POSITIONS)
