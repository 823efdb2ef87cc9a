from pathlib import Path
from typing import Any

import pytest

from export.checkpoints import read_checkpoint
from export.checkpoints.imported import Imported, ImportProblem
from export.checkpoints.languages import bcp47
from export.checkpoints.piece_text import PieceText
from tests.export.checkpoints.folders import SENTENCES, Folder, marian


def text_of(imported: Imported) -> PieceText:
    return PieceText(imported, imported.languages[0], imported.languages[-1])


def problems_of(folder: Folder, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ImportProblem) as raised:
        read_checkpoint(folder.write(), **arguments)
    return raised.value.problems


def test_every_source_ends_with_its_end(tmp_path: Path) -> None:
    text = text_of(read_checkpoint(marian(tmp_path).write()))
    assert all(text.encode(sentence)[-1] == 0 for sentence in SENTENCES)


def test_ids_are_those_of_the_table_and_not_of_the_sentencepiece_model(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    vocabulary = folder.json_files["vocab.json"]
    last = len(vocabulary) - 2
    folder.json_files["vocab.json"] = {
        name: index if index in (0, 1, last + 1) else 2 + last - index for name, index in vocabulary.items()
    }
    imported = read_checkpoint(folder.write())
    assert imported.source.names is not None
    text = text_of(imported)
    ids = text.encode("A dog is here.")
    assert "".join(imported.source.names[index] for index in ids[:-1]) == "▁A▁dog▁is▁here."
    assert text.decode(ids) == "A dog is here."


def test_a_piece_without_an_id_is_unknown(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    vocabulary = folder.json_files["vocab.json"]
    index = vocabulary.pop("▁do")
    imported = read_checkpoint(folder.write())
    assert text_of(imported).encode("A do")[-2] == 1
    assert index in imported.never_written  # a row that no piece has


def test_special_tokens_in_a_text_are_text(tmp_path: Path) -> None:
    imported = read_checkpoint(marian(tmp_path, tokens=(">>fra<<",)).write())
    text = text_of(imported)
    for content in ("a </s> b", "<pad>", "<unk> x", "a >>fra<< b"):
        ids = text.encode(content)
        assert 0 not in ids[:-1]
        assert imported.pad_id not in ids
        assert imported.languages[-1].target_id not in ids[1:]


def test_a_vocabulary_of_another_language_is_refused(tmp_path: Path) -> None:
    folder = marian(tmp_path, separate=True)
    folder.json_files["vocab.json"] = folder.json_files["target_vocab.json"]
    problems = problems_of(folder)
    assert len(problems) == 1
    assert "vocab.json has" in problems[0]
    assert "% of the pieces of source.spm, at least 90% expected" in problems[0]


def test_the_swapped_sentencepiece_models_of_two_vocabularies_are_both_named(tmp_path: Path) -> None:
    folder = marian(tmp_path, separate=True)
    folder.pieces = {"source.spm": folder.pieces["target.spm"], "target.spm": folder.pieces["source.spm"]}
    assert [problem.split(" has ")[0] for problem in problems_of(folder)] == ["vocab.json", "target_vocab.json"]


def test_special_tokens_are_taken_as_the_checkpoint_spells_them(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    vocabulary = folder.json_files["vocab.json"]
    for ours, theirs in (("<pad>", "<blank>"), ("<unk>", "[UNK]"), ("</s>", "<eos>")):
        vocabulary[theirs] = vocabulary.pop(ours)
    names = {"pad_token": "<blank>", "unk_token": {"content": "[UNK]"}}
    folder.json_files["tokenizer_config.json"] |= names
    del folder.json_files["tokenizer_config.json"]["eos_token"]
    folder.json_files["special_tokens_map.json"] = {"eos_token": "<eos>"}
    imported = read_checkpoint(folder.write())
    assert (imported.unknown_id, imported.eos_id) == (1, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"</s>": 2, "▁": 0}, "vocab.json has </s> as 2, config.json says eos_token_id=0"),
        ({"▁": 10_000}, "'▁' has id 10000"),
        ({"▁": -1}, "'▁' has id -1"),
        ({"▁": "3"}, "'▁' has id '3'"),
        ({"▁": True}, "'▁' has id True"),
        ({"twice": 0}, "'twice' has id 0, which is that of '</s>'"),
        ({"<pad>": 3}, "which is that of"),
    ],
)
def test_a_wrong_id_in_the_vocabulary_is_named(change: dict[str, Any], expected: str, tmp_path: Path) -> None:
    folder = marian(tmp_path)
    folder.json_files["vocab.json"] |= change
    assert any(expected in problem for problem in problems_of(folder))


# Languages.


def test_language_tokens_name_the_targets(tmp_path: Path) -> None:
    tokens = (">>fra<<", ">>cmn_Hans<<", ">>fr_CA<<", ">>xxx<<", ">>multi<<", ">>mul<<")
    folder = marian(tmp_path, tokens=tokens, languages=("en", "mul"))
    imported = read_checkpoint(folder.write())
    ids = folder.json_files["vocab.json"]
    source, *targets = imported.languages
    assert (source.code, source.source_id, source.is_target) == ("en", None, False)
    assert {target.code: target.target_id for target in targets} == {
        "fr": ids[">>fra<<"],
        "cmn-Hans": ids[">>cmn_Hans<<"],
        "fr-CA": ids[">>fr_CA<<"],
    }
    assert not any(target.is_source for target in targets)
    assert imported.source_template == ("{target_token}", "{text}", 0)
    assert {ids[token] for token in tokens} <= set(imported.never_written)
    assert imported.warnings == ()


def test_the_language_token_goes_before_the_text(tmp_path: Path) -> None:
    folder = marian(tmp_path, tokens=(">>fra<<", ">>deu<<"))
    imported = read_checkpoint(folder.write())
    bilingual = text_of(read_checkpoint(marian(tmp_path / "bilingual").write()))
    ids = folder.json_files["vocab.json"]
    assert text_of(imported).encode("A dog.") == [ids[">>deu<<"], *bilingual.encode("A dog.")]


def test_language_tokens_of_separate_vocabularies_are_in_the_source(tmp_path: Path) -> None:
    folder = marian(tmp_path, separate=True, tokens=(">>deu<<",))
    imported = read_checkpoint(folder.write())
    assert imported.languages[-1].target_id == folder.json_files["vocab.json"][">>deu<<"]


def test_whoever_imports_may_choose_one_target(tmp_path: Path) -> None:
    folder = marian(tmp_path, tokens=(">>fra<<", ">>deu<<"))
    imported = read_checkpoint(folder.write(), languages=("en-GB", "de"))
    assert [language.code for language in imported.languages] == ["en-GB", "de"]
    assert imported.languages[1].target_id == folder.json_files["vocab.json"][">>deu<<"]
    assert [language.code for language in read_checkpoint(folder.path, ("en", "mul")).languages] == ["en", "fr", "de"]


def test_a_target_without_a_token_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    folder = marian(tmp_path, tokens=(">>fra<<", ">>deu<<"))
    assert problems_of(folder, languages=("en", "it")) == (
        "--languages: the checkpoint has no target language it, it has fr, de",
    )


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("opus-mt-en-fr", None, ("en", "fr")),
        ("opus-mt-tc-big-en-pt", None, ("en", "pt")),
        ("my_model-deu-eng", None, ("de", "en")),
        ("opus-mt-en-jap", ("en", "jap"), ("en", "ja")),
        ("whatever", ("eng", "fra"), ("en", "fr")),
        ("opus-mt-tc-big-en-fr", ("opus-mt-tc-big-en", "fr"), ("en", "fr")),
        ("opus-mt-ROMANCE-en", ("ROMANCE", "en"), ("ROMANCE", "en")),
        ("checkpoint-best", ("CELTIC", "en"), ("CELTIC", "en")),
        ("opus-mt-roa-en", ("roa", "en"), ("roa", "en")),
    ],
)
def test_languages_are_what_tokenizer_and_folder_say(
    name: str, declared: tuple[str, str] | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    imported = read_checkpoint(marian(tmp_path / name, languages=declared).write())
    assert tuple(language.code for language in imported.languages) == expected
    is_sure = declared is not None and all(bcp47(code) for code in declared)
    assert any("--languages" in warning for warning in imported.warnings) != is_sure


def test_the_name_that_a_checkpoint_was_loaded_by_is_a_name_too(tmp_path: Path) -> None:
    folder = marian(tmp_path / "8a2f03e1", languages=None)
    folder.config["_name_or_path"] = "Helsinki-NLP/opus-mt-en-fr"
    assert [language.code for language in read_checkpoint(folder.write()).languages] == ["en", "fr"]


def test_a_source_language_that_is_a_target_as_well_is_one_language(tmp_path: Path) -> None:
    folder = marian(tmp_path, tokens=(">>fra<<", ">>eng<<"), languages=("en", "mul"))
    languages = read_checkpoint(folder.write()).languages
    assert [(language.code, language.is_source, language.is_target) for language in languages] == [
        ("fr", False, True),
        ("en", True, True),
    ]


@pytest.mark.parametrize("name", ["model", "checkpoint-best", "run_12"])
def test_languages_that_nobody_names_are_asked_for(name: str, tmp_path: Path) -> None:
    folder = marian(tmp_path / name, languages=None)
    assert any("--languages" in problem for problem in problems_of(folder))
    assert [language.code for language in read_checkpoint(folder.path, ("de", "en")).languages] == ["de", "en"]
