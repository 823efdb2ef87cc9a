import gzip
from pathlib import Path

import pytest

from models.data.corpora import (
    REPORTED,
    Corpus,
    CorpusError,
    Direction,
    all_sources,
    data_folder,
    evenly,
    read_corpus,
    read_tests,
)


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "tatoeba" / "test.en.gz", ["Go.", "Hi."])
    write(tmp_path / "tatoeba" / "test.fr.gz", ["Va !", "Salut !"])
    return tmp_path


def test_sides_are_read_line_by_line(folder: Path) -> None:
    corpus = read_corpus(folder, "tatoeba", "test")
    assert corpus.sources == ["Go.", "Hi."]
    assert corpus.references == [["Va !"], ["Salut !"]]


def test_all_references_are_read_where_there_are_several(folder: Path) -> None:
    write(folder / "tatoeba" / "test.refs.tsv.gz", ["Hi.\tSalut !\tBonjour.", "Go.\tVa !"])
    assert read_corpus(folder, "tatoeba", "test").references == [["Va !"], ["Salut !", "Bonjour."]]


def test_a_line_separator_inside_a_sentence_does_not_split_it(folder: Path) -> None:
    write(folder / "tatoeba" / "test.fr.gz", ["Va\u2028vite !", "Salut !"])
    assert read_corpus(folder, "tatoeba", "test").targets[0] == "Va\u2028vite !"


def test_sides_of_different_length_are_refused(folder: Path) -> None:
    write(folder / "tatoeba" / "test.fr.gz", ["Va !"])
    with pytest.raises(CorpusError, match="2 lines of en and 1 of fr"):
        read_corpus(folder, "tatoeba", "test")


def test_a_missing_file_is_named_with_what_to_do(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"train\.en\.gz is missing.*--data.*models\.download"):
        read_corpus(folder, "tatoeba", "train")


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / "tatoeba" / "test.fr.gz"
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:15] + b"\xff\xff\xff" + whole[18:]):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"test\.fr\.gz cannot be read"):
            read_corpus(folder, "tatoeba", "test")


def test_a_sentence_without_reference_is_named(folder: Path) -> None:
    write(folder / "tatoeba" / "test.refs.tsv.gz", ["Go.\tVa !"])
    with pytest.raises(CorpusError, match=r"no reference for 'Hi\.'"):
        read_corpus(folder, "tatoeba", "test")


def test_an_empty_corpus_is_refused(folder: Path) -> None:
    for language in ("en", "fr"):
        write(folder / "tatoeba" / f"val.{language}.gz", [])
    with pytest.raises(CorpusError, match="val is empty"):
        read_corpus(folder, "tatoeba", "val")


def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SERVE_DATA", "/from/environment")
    assert data_folder(None) == Path("/from/environment")
    assert data_folder(Path("/from/flag")) == Path("/from/flag")


def test_a_corpus_is_read_in_either_direction(folder: Path) -> None:
    write(folder / "tatoeba" / "test.refs.tsv.gz", ["Hi.\tSalut !\tBonjour.", "Go.\tVa !", "Hello.\tBonjour.\tSalut !"])
    backwards = read_corpus(folder, "tatoeba", "test", Direction("fr", "en"))
    assert backwards.sources == ["Va !", "Salut !"]
    assert backwards.targets == ["Go.", "Hi."]
    assert backwards.references == [["Go."], ["Hi.", "Hello."]]


def test_every_corpus_has_a_licence_and_a_folder_of_its_own() -> None:
    sources = all_sources()
    assert all(source.licence and source.domain and source.parts for source in sources.values())
    assert len({source.folder for source in sources.values()}) == len(sources)
    assert set(REPORTED) <= sources.keys()


@pytest.mark.parametrize(
    ("corpora", "problem"),
    [
        (["tatoeba", "tatoba"], r"one of multi30k, tatoeba, .* expected, got 'tatoba'"),
        (["synthetic"], "synthetic has no test set, only: train"),
    ],
)
def test_test_sets_that_are_not_are_refused(folder: Path, corpora: list[str], problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_tests(folder, corpora=corpora)


@pytest.mark.parametrize(("number", "most"), [(10, 500), (500, 500), (501, 500), (1014, 500), (7, 1)])
def test_a_part_of_a_corpus_is_taken_from_all_over_it(number: int, most: int) -> None:
    lines = [f"line {n}" for n in range(number)]
    part = evenly(Corpus(lines, [line.upper() for line in lines], [[line] for line in lines]), most)
    places = [lines.index(source) for source in part.sources]
    assert most // 2 <= len(places) <= most or len(places) == number
    assert number - 1 - places[-1] < places[-1] - places[-2] if len(places) > 1 else True
    assert part.references == [[source] for source in part.sources]
    assert part.targets == [source.upper() for source in part.sources]
