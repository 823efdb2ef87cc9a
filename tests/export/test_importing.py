from pathlib import Path

import onnx
import pytest

from export.checkpoints import read_checkpoint
from export.checkpoints.huggingface.known import M2M100
from export.checkpoints.piece_text import PieceText
from export.errors import ExportError
from export.importing import ImportOptions, import_checkpoint
from export.importing.command import main
from export.importing.int8 import GUARD_SENTENCES, Floors
from export.importing.text import MAX_TARGETS, agreement, plan_directions
from server.bundle.manifest import ENCODER, FEATURES, FEATURES_STEP, OUTPUT_STEP, STEP, read_bundle
from server.text.bundle_tokenizers import open_tokenizers
from tests.export.checkpoints.folders import SENTENCES, Folder, m2m100, marian, nllb


def with_positions(folder: Folder) -> Folder:
    """Room enough for the sentences of the text."""
    folder.config["max_position_embeddings"] = 128
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "source.txt"
    path.write_text("\n".join(SENTENCES[:12]) + "\n\n", encoding="utf-8")
    return path


def test_a_bilingual_checkpoint_becomes_a_bundle(text: Path, tmp_path: Path) -> None:
    folder = with_positions(marian(tmp_path / "opus-mt-en-fr", separate=True)).write("zip")
    bundle = tmp_path / "repository" / "opus-mt-en-fr" / "1"
    screen = import_checkpoint(folder, bundle, ImportOptions(texts={None: text}, floors=Floors(agreement=0)))
    manifest = read_bundle(bundle).manifest
    assert (manifest.source_codes, manifest.target_codes) == (["en"], ["fr"])
    assert manifest.precision == "int8"
    assert manifest.special_ids.is_masked
    assert manifest.special_ids.start in manifest.special_ids.never_written
    assert manifest.alignment is not None
    assert manifest.alignment.heads == (0,)
    assert manifest.provenance["family"] == "marian"
    for expected in ("Hugging Face marian: opus-mt-en-fr", "BLEU", "on 12 sentences", f"--model-repository {tmp_path}"):
        assert expected in screen


def test_without_a_text_the_bundle_is_fp32_and_the_server_reads_texts_as_the_checkpoint_was_trained_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = with_positions(nllb(tmp_path / "nllb")).write()
    bundle = tmp_path / "repository" / "nllb" / "1"
    main(["--import", str(folder), str(bundle), "--languages", "mul-fr"])
    assert "none was given" in capsys.readouterr().out
    opened = read_bundle(bundle)
    assert opened.manifest.precision == "fp32"
    assert opened.manifest.target_codes == ["fr"]
    assert opened.manifest.forced_target == ("{target_token}",)
    assert not opened.manifest.special_ids.is_masked
    tokenizers = open_tokenizers(opened)
    imported = read_checkpoint(folder)
    piece_text = PieceText(imported, imported.languages[1], imported.languages[2])
    for sentence in (*SENTENCES[:5], "unknown ☃ </s> <pad> eng_Latn", "  "):
        assert tokenizers.source.encode(sentence) == piece_text.pieces(sentence)


def test_int8_that_translates_otherwise_leaves_no_bundle(text: Path, tmp_path: Path) -> None:
    folder = with_positions(m2m100(tmp_path / "m2m100")).write()
    bundle = tmp_path / "repository" / "m2m100" / "1"
    with pytest.raises(ExportError, match=r"int8 translates otherwise than fp32: BLEU .* --precision fp32"):
        import_checkpoint(folder, bundle, ImportOptions(texts={"eng": text}, floors=Floors(agreement=101)))
    assert not bundle.parent.exists()


def test_a_checkpoint_that_cannot_be_imported_is_answered_with_a_list(tmp_path: Path) -> None:
    folder = marian(tmp_path / "opus-mt-en-fr")
    folder.config |= {"normalize_before": True, "is_decoder": True}
    with pytest.raises(SystemExit, match=r"(?s)  - config.json: is_decoder=.*  - config.json: normalize_before="):
        main(["--import", str(folder.write()), str(tmp_path / "repository" / "model" / "1")])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({None: "text"}, "which language is it in.*nso, zh, fr, en"),
        ({"it": "text"}, "it is none of the model's source languages"),
        ({"en": "nowhere"}, "nowhere"),
        ({"en": "empty"}, "has no sentences"),
        ({"en": "long"}, "longer than the model's positions"),
    ],
)
def test_a_text_that_is_no_use_is_refused_before_anything_is_traced(
    texts: dict[str | None, str], expected: str, tmp_path: Path
) -> None:
    for name, content in (("text", SENTENCES[0]), ("empty", "\n \n"), ("long", "word " * 300)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    options = ImportOptions(texts={code: tmp_path / name for code, name in texts.items()})
    folder = m2m100(tmp_path / "m2m100").write()
    with pytest.raises(ExportError, match=expected):
        import_checkpoint(folder, tmp_path / "repository" / "model" / "1", options)
    assert not (tmp_path / "repository").exists()


def test_sentences_of_a_multilingual_model_are_dealt_out_to_its_targets(tmp_path: Path) -> None:
    imported = read_checkpoint(with_positions(m2m100(tmp_path / "m2m100")).write())
    directions, num_long = plan_directions(imported, {"eng": [*SENTENCES[:8], "word " * 300]}, 100)
    assert [direction.name for direction in directions] == ["en-nso", "en-zh", "en-fr"]
    assert [direction.sentences for direction in directions] == [SENTENCES[0:8:3], SENTENCES[1:8:3], SENTENCES[2:8:3]]
    assert num_long == 1
    names = imported.source.names
    assert names is not None
    for direction, code in zip(directions, ("ns", "zh", "fr"), strict=True):
        assert [names[index] for index in direction.ids.start] == ["</s>", f"__{code}__"]
        assert all(names[source[0]] == "__en__" for source in direction.sources)


@pytest.mark.parametrize(("floor", "is_kept"), [(0.0, True), (101.0, False)])
def test_a_shortlist_of_the_models_own_translations_is_kept_if_it_changes_little(
    floor: float, is_kept: bool, tmp_path: Path
) -> None:
    words = [word for sentence in SENTENCES for word in sentence.split()]
    text = tmp_path / "many.txt"
    text.write_text("\n".join(" ".join(words[n : n + 2]) for n in range(GUARD_SENTENCES + 10)), encoding="utf-8")
    folder = with_positions(marian(tmp_path / "opus-mt-en-fr", separate=True)).write()
    bundle = tmp_path / "repository" / "model" / "1"
    floors = Floors(agreement=0, shortlist_agreement=floor, shortlist_sentences=10)
    screen = import_checkpoint(folder, bundle, ImportOptions(texts={None: text}, floors=floors))
    assert "from 10 translations" in screen
    opened = read_bundle(bundle)
    assert opened.manifest.has_shortlist == is_kept
    assert {path.name for path in bundle.glob("*.onnx")} == {ENCODER, STEP} | (
        {FEATURES_STEP, OUTPUT_STEP} if is_kept else set()
    )
    outputs = {output.name for output in onnx.load(opened.step).graph.output}
    assert (FEATURES in outputs) == is_kept


def test_many_targets_are_sampled(tmp_path: Path) -> None:
    imported = read_checkpoint(with_positions(m2m100(tmp_path / "m2m100", codes=M2M100, named=False)).write())
    directions, _ = plan_directions(imported, {"en": SENTENCES}, 20)
    assert len({direction.name for direction in directions}) == MAX_TARGETS
    assert sum(len(direction.sentences) for direction in directions) == 20


def test_agreement_is_a_hundred_for_equal_translations_alone() -> None:
    translations = [[[5, 6, 7, 8, 9], [4, 4, 4, 4]], [[1, 2, 3, 4]]]
    assert agreement(translations, translations) == 100
    assert 0 < agreement(translations, [[[5, 6, 7, 8, 9], [4, 4, 4, 4]], [[9, 9, 9, 9]]]) < 100
