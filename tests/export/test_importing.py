import dataclasses
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest

from export.checkpoints import read_checkpoint
from export.checkpoints.huggingface.known import M2M100
from export.checkpoints.imported import LexicalShortlist
from export.checkpoints.piece_text import PieceText
from export.errors import ExportError
from export.importing import ImportOptions, build_model, import_checkpoint
from export.importing.command import main
from export.importing.int8 import GUARD_SENTENCES, Floors, quantize_and_compare
from export.importing.report import Findings
from export.importing.text import MAX_TARGETS, agreement, plan_directions
from export.importing.vocabulary_shortlist import add_shortlist
from server.bundle.manifest import ENCODER, FEATURES, FEATURES_STEP, OUTPUT_STEP, SHORTLIST, STEP, read_bundle
from server.bundle.shortlist import read_shortlist
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


class Import(NamedTuple):
    folder: Path
    bundle: Path
    screen: str


@pytest.fixture(scope="module")
def bilingual(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """In int8."""
    path = tmp_path_factory.mktemp("bilingual")
    folder = with_positions(marian(path / "opus-mt-en-fr", separate=True)).write("zip")
    bundle = path / "repository" / "model" / "1"
    options = ImportOptions(texts={None: text}, floors=Floors(agreement=0))
    return Import(folder, bundle, import_checkpoint(folder, bundle, options))


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Import:
    """In fp32, as no text was given."""
    path = tmp_path_factory.mktemp("multilingual")
    folder = with_positions(nllb(path / "nllb")).write()
    bundle = path / "repository" / "nllb" / "1"
    with redirect_stdout(StringIO()) as screen:
        main(["--import", str(folder), str(bundle), "--languages", "mul-fr"])
    return Import(folder, bundle, screen.getvalue())


def test_a_bilingual_checkpoint_becomes_a_bundle(bilingual: Import) -> None:
    manifest = read_bundle(bilingual.bundle).manifest
    assert (manifest.source_codes, manifest.target_codes) == (["en"], ["fr"])
    assert manifest.precision == "int8"
    assert manifest.special_ids.is_masked
    assert manifest.special_ids.start in manifest.special_ids.never_written
    assert manifest.alignment is not None
    assert manifest.alignment.heads == (0,)
    assert manifest.provenance["family"] == "marian"
    for expected in (
        "Hugging Face marian: opus-mt-en-fr",
        "on 12 sentences",
        f"--model-repository {bilingual.bundle.parents[1]} --default-model model",
    ):
        assert expected in bilingual.screen


def test_without_a_text_the_bundle_is_fp32_and_says_so(multilingual: Import) -> None:
    assert "none was given" in multilingual.screen
    manifest = read_bundle(multilingual.bundle).manifest
    assert manifest.precision == "fp32"
    assert manifest.target_codes == ["fr"]
    assert manifest.forced_target == ("{target_token}",)
    assert not manifest.special_ids.is_masked


def test_the_server_reads_texts_as_the_checkpoint_was_trained_to(multilingual: Import) -> None:
    tokenizers = open_tokenizers(read_bundle(multilingual.bundle))
    imported = read_checkpoint(multilingual.folder)
    piece_text = PieceText(imported, imported.languages[1], imported.languages[2])
    for sentence in (*SENTENCES[:5], "unknown ☃ </s> <pad> eng_Latn", "  "):
        assert tokenizers.source.encode(sentence) == piece_text.pieces(sentence)


def test_int8_that_translates_otherwise_is_refused(multilingual: Import, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(multilingual.bundle, tmp_path / "bundle"))
    imported = read_checkpoint(multilingual.folder)
    directions, _ = plan_directions(imported, {"eng": SENTENCES[:6]}, 100)
    manifest = read_bundle(folder).manifest
    findings = Findings(parity=0, num_long=0, min_agreement=101)
    with pytest.raises(ExportError, match=r"int8 translates otherwise than fp32: BLEU .* --precision fp32"):
        quantize_and_compare(
            imported, build_model(imported), folder, directions, Floors(agreement=101), manifest, findings
        )


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
    floor: float, is_kept: bool, bilingual: Import, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bilingual.bundle, tmp_path / "bundle"))
    imported = read_checkpoint(bilingual.folder)
    words = " ".join(SENTENCES).split()
    directions, _ = plan_directions(imported, {None: words[: GUARD_SENTENCES + 10]}, 1000)
    floors = Floors(shortlist_agreement=floor, shortlist_sentences=10)
    kept, said = add_shortlist(imported, build_model(imported), folder, directions, floors)
    assert kept == is_kept
    assert "from 10 translations" in said
    files = {ENCODER, STEP} | ({FEATURES_STEP, OUTPUT_STEP} if is_kept else set())
    assert {path.name for path in folder.glob("*.onnx")} == files
    assert (folder / SHORTLIST).exists() == is_kept
    outputs = {output.name for output in onnx.load(folder / STEP).graph.output}
    assert (FEATURES in outputs) == is_kept


@pytest.mark.parametrize("is_shared", [False, True])
def test_the_shortlist_that_a_checkpoint_came_with_is_taken(is_shared: bool, bilingual: Import, tmp_path: Path) -> None:
    """With a vocabulary that both sides share, a source token may be written as it is."""
    folder = Path(shutil.copytree(bilingual.bundle, tmp_path / "bundle"))
    imported = read_checkpoint(bilingual.folder)
    num_sources = imported.settings.source_vocabulary - 1
    lists = LexicalShortlist(np.array([5, 6]), np.array([[7, -1], *[[8, 9]] * (num_sources - 1)]))
    imported = dataclasses.replace(imported, shortlist=lists, shares_vocabulary=is_shared)
    directions, _ = plan_directions(imported, {None: SENTENCES}, 1000)
    kept, said = add_shortlist(imported, build_model(imported), folder, directions, Floors(shortlist_agreement=0))
    assert kept
    assert "from the checkpoint's lex.*.bin" in said
    shortlist = read_shortlist(folder / SHORTLIST)
    same = {0, 1} if is_shared else set()
    assert shortlist.of([0]).tolist() == sorted({imported.eos_id, 5, 6, 7} | same - {1})
    assert shortlist.of([1, num_sources]).tolist() == sorted({imported.eos_id, 5, 6, 8, 9} | same - {0})


def test_many_targets_are_sampled(tmp_path: Path) -> None:
    imported = read_checkpoint(with_positions(m2m100(tmp_path / "m2m100", codes=M2M100, named=False)).write())
    directions, _ = plan_directions(imported, {"en": SENTENCES}, 20)
    assert len({direction.name for direction in directions}) == MAX_TARGETS
    assert sum(len(direction.sentences) for direction in directions) == 20


def test_agreement_is_a_hundred_for_equal_translations_alone() -> None:
    translations = [[[5, 6, 7, 8, 9], [4, 4, 4, 4]], [[1, 2, 3, 4]]]
    assert agreement(translations, translations) == 100
    assert 0 < agreement(translations, [[[5, 6, 7, 8, 9], [4, 4, 4, 4]], [[9, 9, 9, 9]]]) < 100
