"""Peers of an import: what is converted for them, and the table."""

import math
from pathlib import Path

import pytest
from ctranslate2.converters.marian import load_vocab
from sentencepiece import SentencePieceProcessor

from bench.ctranslate2_checkpoint import convert
from bench.ctranslate2_system import SOURCE_MODEL, end_of_sources
from bench.imported import markdown, open_systems
from bench.process import BenchError
from bench.text_systems import TheirTexts
from tests.export.checkpoints import fixtures

CHECKPOINT = Path(fixtures.__file__).parent / "marian"
SHIPPED = Path(__file__).parents[2] / "model_repository" / "lstm-en-fr" / "1"


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers") / "ctranslate2"
    convert(CHECKPOINT, folder, python=None)
    return folder


def test_ctranslate2_reads_every_piece_of_a_vocabulary_under_its_own_id(converted: Path) -> None:
    pieces = SentencePieceProcessor(model_file=str(converted / SOURCE_MODEL))
    names = [pieces.id_to_piece(id_) for id_ in range(pieces.get_piece_size())]
    assert load_vocab(converted.parent / "vocab.spm.yml") == names


def test_ctranslate2_translates_mostly_as_marian_does(converted: Path) -> None:
    """In int8, of a model that has hardly learned: were anything of it read wrongly, nothing would be the same."""
    texts = (CHECKPOINT.parent / "sentences.en").read_text(encoding="utf-8").splitlines()
    expected = (CHECKPOINT / "greedy.fr").read_text(encoding="utf-8").splitlines()
    assert end_of_sources(converted) == []
    outputs = TheirTexts(converted).translate(texts, beam_size=1, setting=8)
    assert sum(map(str.__eq__, outputs, expected)) > len(texts) / 4


def test_a_model_of_hugging_face_s_layout_takes_an_environment_with_transformers(tmp_path: Path) -> None:
    (tmp_path / "source.spm").touch()
    with pytest.raises(BenchError, match="OPTIMUM_PYTHON"):
        convert(tmp_path, tmp_path / "made", python=None)


def test_peers_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTIMUM_PYTHON", "PYMARIAN"):
        monkeypatch.delenv(name, raising=False)
    missing: list[str] = []
    systems = open_systems(tmp_path, SHIPPED, tmp_path, is_listed=False, missing=missing)
    for system in systems.values():
        system.close()
    assert list(systems) == ["seq2serve"]
    assert [reason.partition(":")[0] for reason in missing] == ["CTranslate2", "marian decode", "Optimum"]


def test_the_table_is_markdown_and_leaves_open_what_was_not_measured() -> None:
    rows = {"seq2serve": [1234.5, 567.0, 12.34, 45.6, 321.0, 100.0], "served": [900.0, *[math.nan] * 5]}
    assert markdown(rows, ["Optimum: no variable OPTIMUM_PYTHON"]).splitlines()[2:] == [
        "| seq2serve | 1234 | 567 | 12.3 | 45.6 | 321 | 100 |",
        "| served | 900 |  |  |  |  |  |",
        "",
        "left out: Optimum: no variable OPTIMUM_PYTHON",
    ]
