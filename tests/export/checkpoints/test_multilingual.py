import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from export.checkpoints import read_checkpoint
from export.checkpoints.huggingface.known import M2M100, MBART50, WMT21
from export.checkpoints.imported import ImportProblem
from export.checkpoints.piece_text import PieceText
from tests.export.checkpoints import folders
from tests.export.checkpoints.folders import D_MODEL, MAX_POSITIONS, Folder, m2m100, mbart50, nllb

KINDS: dict[str, Callable[[Path], Folder]] = {"m2m100": m2m100, "nllb": nllb, "mbart50": mbart50}


def problems_of(folder: Folder, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ImportProblem) as raised:
        read_checkpoint(folder.write(), **arguments)
    return raised.value.problems


@pytest.mark.parametrize("family", KINDS)
def test_the_source_token_goes_before_and_the_target_token_is_forced(family: str, tmp_path: Path) -> None:
    imported = read_checkpoint(KINDS[family](tmp_path).write())
    assert imported.family == family
    assert imported.source_template == ("{source_token}", "{text}", 2)
    assert imported.forced_target == ("{target_token}",)
    assert (imported.start_id, imported.eos_id, imported.pad_id, imported.unknown_id) == (2, 2, 1, 3)
    assert imported.alignment_heads is None
    assert imported.source is imported.target
    assert imported.warnings == ()


@pytest.mark.parametrize("family", KINDS)
def test_special_and_language_tokens_and_rows_without_a_piece_are_never_written(family: str, tmp_path: Path) -> None:
    imported = read_checkpoint(KINDS[family](tmp_path).write())
    tokens = {language.target_id for language in imported.languages}
    assert {0, 1, 3} | tokens <= set(imported.never_written)
    assert 2 not in imported.never_written  # the end, which is also the start
    assert imported.source.names is not None
    for index, name in enumerate(imported.source.names):
        is_piece = not (name.startswith(("<", "__")) or "_XX" in name or index in tokens)
        assert is_piece == (index not in {*imported.never_written, 2})


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("m2m100", {"en": "__en__", "fr": "__fr__", "zh": "__zh__", "nso": "__ns__"}),
        ("nllb", {"ace-Arab": "ace_Arab", "en": "eng_Latn", "fr": "fra_Latn", "zh-Hans": "zho_Hans"}),
        ("mbart50", {"ar": "ar_AR", "en": "en_XX", "fr": "fr_XX", "zh": "zh_CN"}),
    ],
)
def test_languages_have_the_ids_that_their_tokens_have_by_name(
    family: str, expected: dict[str, str], tmp_path: Path
) -> None:
    imported = read_checkpoint(KINDS[family](tmp_path).write())
    names = imported.source.names
    assert names is not None
    assert {language.code: names[language.source_id or 0] for language in imported.languages} == expected
    assert all(language.source_id == language.target_id for language in imported.languages)


@pytest.mark.parametrize(("language_codes", "order"), [(None, M2M100), ("m2m100", M2M100), ("wmt21", WMT21)])
def test_m2m100_without_a_file_that_names_the_tokens_has_them_where_its_toolkit_puts_them(
    language_codes: str | None, order: tuple[str, ...], tmp_path: Path
) -> None:
    folder = m2m100(tmp_path, codes=order, named=False)
    folder.json_files["tokenizer_config.json"]["language_codes"] = language_codes
    imported = read_checkpoint(folder.write())
    first = len(folder.json_files["vocab.json"])
    by_code = {language.code: language.target_id for language in imported.languages}
    assert len(by_code) == len(order)
    assert by_code["zh"] == first + order.index("zh")


def test_mbart_without_a_file_that_names_the_tokens_has_them_where_its_toolkit_puts_them(tmp_path: Path) -> None:
    folder = mbart50(tmp_path, codes=MBART50)
    folder.json_files = {}
    imported = read_checkpoint(folder.write())
    by_code = {language.code: language.target_id for language in imported.languages}
    assert by_code["fr"] == folder.config["vocab_size"] - 1 - len(MBART50) + MBART50.index("fr_XX")


@pytest.mark.parametrize("family", ["m2m100", "mbart50"])
def test_tokens_are_not_guessed_where_the_rows_are_not_all_accounted_for(family: str, tmp_path: Path) -> None:
    folder = KINDS[family](tmp_path)
    folder.json_files.pop("added_tokens.json", None)
    folder.json_files["tokenizer_config.json"] = {"tokenizer_class": {"m2m100": "M2M100Tokenizer"}.get(family)}
    assert problems_of(folder) == (
        "no file gives the ids of language tokens: added_tokens.json, tokenizer_config.json or tokenizer.json expected",
    )


def test_files_that_contradict_each_other_about_a_token_are_refused(tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    index = folder.json_files["added_tokens.json"]["__fr__"]
    folder.json_files["tokenizer_config.json"]["added_tokens_decoder"] = {str(index + 1): {"content": "__fr__"}}
    assert problems_of(folder)[0] == f"__fr__ is {index} in added_tokens.json, {index + 1} in tokenizer_config.json"


def test_a_sentencepiece_model_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = nllb(tmp_path)
    folder.pieces["sentencepiece.bpe.model"] = folders.marian(tmp_path).pieces["target.spm"]
    assert any("by sentencepiece.bpe.model" in problem for problem in problems_of(folder))
    other = m2m100(tmp_path / "m2m100")
    other.pieces["sentencepiece.bpe.model"] = folders.marian(tmp_path).pieces["target.spm"]
    assert any("vocab.json has" in problem for problem in problems_of(other))


def test_a_missing_sentencepiece_model_is_asked_for(tmp_path: Path) -> None:
    folder = nllb(tmp_path)
    folder.pieces = {}
    assert any("sentencepiece.bpe.model is missing" in problem for problem in problems_of(folder))


def test_pieces_are_numbered_one_later_than_sentencepiece_does(tmp_path: Path) -> None:
    imported = read_checkpoint(nllb(tmp_path).write())
    text = PieceText(imported, imported.languages[1], imported.languages[2])
    pieces = text._source
    ids = text.encode("A dog.")
    assert ids[1:-1] == [index + 1 for index in pieces.encode("A dog.")]
    assert ids[0] == imported.languages[1].source_id
    assert text.forced == [imported.languages[2].target_id]
    assert text.decode(ids) == "A dog."


def test_m2m100_pieces_without_an_id_are_unknown(tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    index = folder.json_files["vocab.json"].pop("▁do")
    imported = read_checkpoint(folder.write())
    text = PieceText(imported, imported.languages[0], imported.languages[1])
    assert text.encode("A do")[-2] == 3
    assert index in imported.never_written


def test_the_older_nllb_has_the_source_token_behind_the_end(tmp_path: Path) -> None:
    imported = read_checkpoint(nllb(tmp_path, legacy=True).write())
    assert imported.source_template == ("{text}", 2, "{source_token}")
    assert imported.forced_target == ("{target_token}",)
    assert any("legacy_behaviour" in warning for warning in imported.warnings)


def test_whoever_imports_may_choose_the_languages(tmp_path: Path) -> None:
    folder = nllb(tmp_path)
    chosen = read_checkpoint(folder.write(), ("en", "fra")).languages
    assert [(language.code, language.is_source, language.is_target) for language in chosen] == [
        ("en", True, False),
        ("fr", False, True),
    ]
    assert (chosen[0].target_id, chosen[1].source_id) == (None, None)
    assert len(read_checkpoint(folder.path, ("mul", "fr")).languages) == 4
    assert problems_of(folder, languages=("de", "it")) == (
        "--languages: the checkpoint has no source language de, it has ace-Arab, en, fr, zh-Hans",
        "--languages: the checkpoint has no target language it, it has ace-Arab, en, fr, zh-Hans",
    )


def test_a_region_that_tells_two_mbart_languages_apart_is_kept(tmp_path: Path) -> None:
    imported = read_checkpoint(mbart50(tmp_path, codes=("fr_XX", "zh_CN", "zh_TW")).write())
    assert [language.code for language in imported.languages] == ["fr", "zh-CN", "zh-TW"]


@pytest.mark.parametrize("declared", ["MBartTokenizer", "SMALL100Tokenizer", "T5TokenizerFast"])
def test_a_tokenizer_with_other_templates_is_refused(declared: str, tmp_path: Path) -> None:
    for build in (m2m100, mbart50):
        folder = build(tmp_path)
        folder.json_files["tokenizer_config.json"]["tokenizer_class"] = declared
        assert any(f"tokenizer_class={declared!r}" in problem for problem in problems_of(folder))


@pytest.mark.parametrize("declared", ["NllbTokenizerFast", "NllbTokenizer", "PreTrainedTokenizerFast", None])
def test_nllb_is_known_by_its_tokenizer_or_by_its_files(declared: str | None, tmp_path: Path) -> None:
    folder = nllb(tmp_path)
    folder.json_files["tokenizer_config.json"]["tokenizer_class"] = declared
    assert read_checkpoint(folder.write()).family == "nllb"


def test_m2m100_positions_begin_at_two_and_have_other_frequencies_than_marian_in_this_toolkit(tmp_path: Path) -> None:
    table = read_checkpoint(m2m100(tmp_path).write()).weights["source_positions"]
    half = D_MODEL // 2
    for row in (0, 5, MAX_POSITIONS - 1):
        for index in (0, 3, half - 1):
            angle = (row + 2) * 10000 ** (-index / (half - 1))
            assert math.isclose(table[row, index], math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[row, half + index], math.cos(angle), abs_tol=1e-6)


def test_mbart_positions_are_learned_and_begin_at_two(tmp_path: Path) -> None:
    folder = mbart50(tmp_path)
    imported = read_checkpoint(folder.write())
    for ours, theirs in (("source_positions", "encoder"), ("target_positions", "decoder")):
        assert torch.equal(imported.weights[ours], folder.tensors[f"model.{theirs}.embed_positions.weight"][2:])
    assert imported.max_source_tokens == MAX_POSITIONS


@pytest.mark.parametrize("family", KINDS)
def test_marians_positions_are_for_marian(family: str, tmp_path: Path) -> None:
    assert "--positions marian" in problems_of(KINDS[family](tmp_path), positions="marian")[0]


def test_a_forced_token_leaves_one_position_less_for_the_output(tmp_path: Path) -> None:
    imported = read_checkpoint(m2m100(tmp_path).write())
    assert (imported.max_source_tokens, imported.max_output_tokens) == (MAX_POSITIONS, MAX_POSITIONS - 1)


def test_buffers_of_old_files_that_are_computed_are_passed_over(tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    folder.tensors["model.encoder.embed_positions.weights"] = torch.zeros(MAX_POSITIONS + 2, D_MODEL)
    folder.tensors["model.decoder.version"] = torch.tensor([3.0])
    assert read_checkpoint(folder.write("zip")).warnings == ()


def test_an_embedding_of_its_own_where_one_is_shared_is_refused_unless_a_tie_is_declared(tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    shared = folder.tensors["model.shared.weight"]
    folder.tensors["model.decoder.embed_tokens.weight"] = shared + 1
    assert any("embed_tokens.weight differs" in warning for warning in read_checkpoint(folder.write()).warnings)
    folder.config["tie_word_embeddings"] = False
    folder.tensors["lm_head.weight"] = shared
    assert any("they have to be one table" in problem for problem in problems_of(folder))


def test_tokens_that_the_model_has_no_row_for_are_no_languages(tmp_path: Path) -> None:
    folder = nllb(tmp_path)
    tokens = folder.json_files["tokenizer.json"]["added_tokens"]
    tokens += [{"id": folder.config["vocab_size"] + index, "content": f"swh_Lat{index}"} for index in range(3)]
    tokens.append({"id": folder.config["vocab_size"] + 9, "content": "swh_Latn"})
    imported = read_checkpoint(folder.write())
    assert [language.code for language in imported.languages] == ["ace-Arab", "en", "fr", "zh-Hans"]
    assert any(warning.startswith("4 tokens have ids that the model has no row for") for warning in imported.warnings)


@pytest.mark.parametrize("index", [None, "x", -1, 1.5])
def test_an_id_that_is_none_is_named(index: object, tmp_path: Path) -> None:
    folder = m2m100(tmp_path)
    folder.json_files["added_tokens.json"]["__de__"] = index
    assert problems_of(folder) == (f"added_tokens.json: '__de__' has id {index!r}, an integer expected",)
