"""Folders of OPUS-MT, and those that trainings leave: what belongs to the model is found, or named as missing."""

from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.imported import ImportProblem, Language
from export.checkpoints.marian_npz import read
from tests.export.checkpoints.marian_files import (
    marian_folder,
    model_arrays,
    model_options,
    piece_names,
    pieces_model,
    write_decoder,
    write_npz,
)

EN_FR = ("en", "fr")
YML = "opus.spm32k-spm32k.vocab.yml"
NPZ = "opus.spm32k-spm32k.transformer-align.model1.npz.best-perplexity.npz"

README = """# opus-2020-02-26.zip

* dataset: opus
* model: transformer-align
* source language(s): {sources}
* target language(s): {targets}
* pre-processing: normalization + SentencePiece (spm32k,spm32k)
{labels}* download: [opus.zip](https://example.org/opus.zip)
"""


def problems_of(folder: Path, languages: tuple[str, str] | None = EN_FR) -> list[str]:
    with pytest.raises(ImportProblem) as caught:
        read(folder, languages, "own")
    return list(caught.value.problems)


def opus_names(*tokens: str) -> list[str]:
    """Pieces of both sides in an order that is no SentencePiece model's, as OPUS-MT's vocabularies have them."""
    names = set(piece_names(pieces_model())) | set(piece_names(pieces_model(reverse=True)))
    return ["</s>", "<unk>", *sorted(names - {"</s>", "<unk>"}, reverse=True), *tokens]


def opus_folder(folder: Path, *tokens: str, names: list[str] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = opus_names(*tokens) if names is None else names
    lines = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + f'": {index}\n' for index, name in enumerate(names))
    (folder / YML).write_text("".join(lines), encoding="utf-8")
    (folder / "source.spm").write_bytes(pieces_model())
    (folder / "target.spm").write_bytes(pieces_model(reverse=True))
    write_npz(folder / NPZ, model_arrays(model_options(len(names), len(names))))
    write_decoder(folder / "decoder.yml", NPZ, YML, YML)
    return folder


def write_readme(folder: Path, sources: str, targets: str, labels: str = "") -> None:
    (folder / "README.md").write_text(README.format(sources=sources, targets=targets, labels=labels))


def test_ids_are_those_of_the_vocabulary_and_each_side_has_its_own_sentencepiece_model(tmp_path: Path) -> None:
    imported = read(opus_folder(tmp_path), EN_FR, "own")
    names = opus_names()
    assert imported.source.names is not None
    assert imported.source.names[:-1] == tuple(names)
    assert imported.source.names == imported.target.names
    assert imported.shares_vocabulary
    assert imported.source.sentencepiece == tmp_path / "source.spm"
    assert imported.target.sentencepiece == tmp_path / "target.spm"
    assert imported.start_id == imported.pad_id == len(names)
    assert (imported.eos_id, imported.unknown_id, imported.never_written) == (0, 1, (1, len(names)))


def test_what_the_maker_decodes_with_is_provenance(tmp_path: Path) -> None:
    provenance = read(opus_folder(tmp_path), EN_FR, "own").provenance
    assert provenance["beam-size"] == "6"
    assert provenance["normalize"] == "1"
    assert provenance["file"] == NPZ
    assert provenance["marian_version"].startswith("v1.12.42")


def test_the_languages_of_one_pair_are_in_the_readme_and_the_callers_go_before_them(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    assert "source language" in problems_of(folder, languages=None)[0]
    write_readme(folder, "eng", "fra")
    one_pair = (Language(code="en", is_target=False), Language(code="fr", is_source=False))
    assert read(folder, None, "own").languages == one_pair
    assert read(folder, ("mul", "mul"), "own").languages == one_pair
    assert [language.code for language in read(folder, ("de", "nld"), "own").languages] == ["de", "nl"]


def test_a_head_was_trained_to_align_where_the_readme_says_so(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    assert read(folder, EN_FR, "own").alignment_heads is None
    write_readme(folder, "eng", "fra")
    assert read(folder, EN_FR, "own").alignment_heads == (0,)


def test_several_targets_have_a_token_each_and_pseudo_languages_are_left_out(tmp_path: Path) -> None:
    tokens = (">>fra<<", ">>ita<<", ">>cmn_Hans<<", ">>xxx<<", ">>multi<<")
    folder = opus_folder(tmp_path, *tokens)
    write_readme(folder, "eng deu", "fra ita cmn_Hans", "* valid language labels: >>fra<< >>ita<< >>cmn_Hans<<\n")
    imported = read(folder, None, "own")
    first = len(opus_names())
    by_code = {language.code: language for language in imported.languages}
    assert by_code["fr"] == Language(code="fr", target_id=first, is_source=False)
    assert by_code["it"] == Language(code="it", target_id=first + 1, is_source=False)
    assert by_code["en"] == Language(code="en", is_target=False)
    assert by_code["de"] == Language(code="de", is_target=False)
    assert len(by_code) == 5
    assert imported.source_template == ("{target_token}", "{text}", 0)
    assert set(range(first, first + 5)) <= set(imported.never_written)


def test_one_of_several_targets_may_be_chosen_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path, ">>fra<<", ">>ita<<")
    imported = read(folder, ("en", "it"), "own")
    assert [language.code for language in imported.languages if language.is_target] == ["it"]
    assert imported.source_template == ("{target_token}", "{text}", 0)
    assert [language.code for language in read(folder, ("en", "mul"), "own").languages] == ["en", "fr", "it"]
    (problem,) = problems_of(folder, ("en", "de"))
    assert "de" in problem
    assert "fr, it" in problem


def test_the_token_of_an_only_target_is_not_needed(tmp_path: Path) -> None:
    imported = read(opus_folder(tmp_path, ">>fra<<"), EN_FR, "own")
    assert imported.source_template == ("{text}", 0)
    assert len(opus_names()) in imported.never_written


def test_several_targets_without_tokens_are_refused(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    write_readme(folder, "eng", "fra ita")
    assert "one target expected" in problems_of(folder, languages=None)[0]


def test_a_vocabulary_of_another_language_is_refused(tmp_path: Path) -> None:
    names = piece_names(pieces_model())
    problems = problems_of(opus_folder(tmp_path, names=names))
    assert len(problems) == 1
    assert YML in problems[0]
    assert "target.spm" in problems[0]


def test_a_few_pieces_without_an_id_are_accepted(tmp_path: Path) -> None:
    names = opus_names()
    del names[5:15]
    assert read(opus_folder(tmp_path, names=names), EN_FR, "own").source.names == (*names, f"<unused{len(names)}>")


@pytest.mark.parametrize("name", ["source.spm", "target.spm"])
def test_a_missing_sentencepiece_model_is_named(name: str, tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    (folder / name).unlink()  # the other side's is no replacement
    assert any(problem.startswith(f"{name}: the SentencePiece model") for problem in problems_of(folder))


def test_bpe_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    for side in ("source", "target"):
        (folder / f"{side}.spm").unlink()
        (folder / f"{side}.bpe").write_text("#version: 0.2\n")
    problems = problems_of(folder)
    assert len(problems) == 2
    assert all(".bpe is not supported" in problem for problem in problems)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x0a\xff\xff\xff"])
def test_a_damaged_sentencepiece_model_is_named(content: bytes, tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    (folder / "source.spm").write_bytes(content)
    assert any("source.spm" in problem for problem in problems_of(folder))


def test_two_vocabularies_of_any_sizes(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    source, target = opus_names(), opus_names("extra", "pieces")
    for name, names in (("src.vocab.yml", source), ("trg.vocab.yml", target)):
        (folder / name).write_text("".join(f"'{n.replace(chr(39), chr(39) * 2)}': {i}\n" for i, n in enumerate(names)))
    write_npz(folder / NPZ, model_arrays(model_options(len(source), len(target))))
    write_decoder(folder / "decoder.yml", NPZ, "src.vocab.yml", "trg.vocab.yml")
    imported = read(folder, EN_FR, "own")
    assert not imported.shares_vocabulary
    assert imported.settings.source_vocabulary == len(source) + 1
    assert imported.settings.target_vocabulary == len(target) + 1
    assert (imported.pad_id, imported.start_id) == (len(source), len(target))


def test_vocabularies_that_disagree_on_the_unknown_piece_are_refused(tmp_path: Path) -> None:
    folder = opus_folder(tmp_path)
    names = opus_names("extra")
    write_npz(folder / NPZ, model_arrays(model_options(len(names) - 1, len(names))))
    names[1], names[2] = names[2], names[1]
    (folder / "trg.vocab.yml").write_text(
        "".join(f"'{n.replace(chr(39), chr(39) * 2)}': {i}\n" for i, n in enumerate(names))
    )
    write_decoder(folder / "decoder.yml", NPZ, YML, "trg.vocab.yml")
    assert problems_of(folder) == ["vocabularies: one id of <unk> expected, got 1 and 2"]


@pytest.mark.parametrize(
    "spelled", ["vocab.spm", "../vocab.spm", "/home/someone/work/vocab.spm", "C:\\work\\vocab.spm", "sub/vocab.spm"]
)
def test_files_are_found_by_their_names_wherever_their_maker_had_them(spelled: str, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    write_decoder(folder / "model.npz.decoder.yml", f"/somewhere/{'model.npz'}", spelled, spelled)
    assert read(folder, EN_FR, "own").source.sentencepiece == folder / "vocab.spm"


def test_a_file_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path / "model")
    (folder / "vocab.spm").rename(tmp_path / "vocab.spm")
    write_decoder(folder / "model.npz.decoder.yml", "model.npz", "../vocab.spm", "../vocab.spm")
    assert "../vocab.spm is not in model" in problems_of(folder)[0]


def test_decoder_yml_goes_before_those_of_single_models(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    write_npz(folder / "model.npz.best-bleu.npz", {"broken": np.zeros(1)})
    write_decoder(folder / "model.npz.best-bleu.npz.decoder.yml", "model.npz.best-bleu.npz", "vocab.spm", "vocab.spm")
    problems = problems_of(folder)
    assert "model.npz.best-bleu.npz.decoder.yml, model.npz.decoder.yml: one of them expected" in problems[0]
    write_decoder(folder / "decoder.yml", "model.npz", "vocab.spm", "vocab.spm")
    assert read(folder, EN_FR, "own").provenance["file"] == "model.npz"


def test_without_any_decoder_yml_what_is_there_once_is_taken(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    (folder / "model.npz.decoder.yml").unlink()
    write_npz(folder / "model.npz.optimizer.npz", {"m": np.zeros(1)})
    assert read(folder, EN_FR, "own").provenance["file"] == "model.npz"
    write_npz(folder / "model2.npz", {"m": np.zeros(1)})
    assert "one .npz expected, or a decoder.yml that names it, got model.npz, model2.npz" in problems_of(folder)


def test_an_ensemble_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    (folder / "decoder.yml").write_text("models: [model.npz, model2.npz]\nvocabs: [vocab.spm, vocab.spm]\n")
    assert problems_of(folder)[0].startswith("decoder.yml: models: one expected, not an ensemble")


@pytest.mark.parametrize("vocabs", ["[vocab.spm]", "[vocab.spm, vocab.spm, vocab.spm]", "[]", "vocab.spm"])
def test_other_than_two_vocabularies_are_refused(vocabs: str, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    (folder / "decoder.yml").write_text(f"models: [model.npz]\nvocabs: {vocabs}\n")
    assert problems_of(folder)[0].startswith("decoder.yml: vocabs: two expected")


def test_a_decoder_yml_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    (folder / "decoder.yml").write_text("models:\n  nested: true\n")
    assert any(problem.startswith("decoder.yml: line 2: ") for problem in problems_of(folder))


def test_a_sentencepiece_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    (folder / "vocab.spm").write_bytes(pieces_model(byte_fallback=True))
    assert "vocab.spm: at most" in problems_of(folder)[0]
