import csv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.data.corpora import CorpusError
from models.data.download.line_files import (
    read_books,
    read_lines,
    read_new_testament,
    read_old_testament,
    read_pivot,
    read_tabs,
)
from tests.models.download.files import lay


def test_lines_belong_together_by_their_number(tmp_path: Path) -> None:
    lay(tmp_path, {"a.en": "One\nTwo\n", "a.fr": "Un\nDeux\n", "b.en": "Three", "b.fr": "Trois"})
    english, french = ([tmp_path / f"{name}.{language}" for name in "ab"] for language in ("en", "fr"))
    assert [*read_lines(english, french)] == [("One", "Un"), ("Two", "Deux"), ("Three", "Trois")]


def test_a_line_separator_inside_a_line_ends_none(tmp_path: Path) -> None:
    lay(tmp_path, {"a.en": "One\u2028more\n", "a.fr": "Un\u0085de plus\n"})
    assert len([*read_lines([tmp_path / "a.en"], [tmp_path / "a.fr"])]) == 1


def test_files_of_different_length_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, {"a.en": "One\nTwo\n", "a.fr": "Un\n"})
    with pytest.raises(CorpusError, match="2 lines, and 1 in"):
        list(read_lines([tmp_path / "a.en"], [tmp_path / "a.fr"]))


def test_paragraphs_of_books_are_read_without_tags_and_titles(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "a.en": "Somebody\n<h1>A Tale</h1><delimiter>Told.\nOnce <i>upon</i> a time.\n"
            "<img1>\n<h1>Two</h1>\nGone!<delimiter>She left.",
            "a.fr": "Quelqu'un\n<h1>Conte</h1><delimiter>Dit.\nIl y avait <b>une</b> fois.\n"
            "<img1>\n<h1>Deux</h1>\nEnfui !<delimiter>Elle part.",
        },
    )
    assert [*read_books([tmp_path / "a.en"], [tmp_path / "a.fr"])] == [
        ("Once upon a time.", "Il y avait une fois."),
        ("", ""),
        ("Two", "Deux"),
        ("Gone! She left.", "Enfui ! Elle part."),
    ]


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_fields_between_tabs_are_read_from_a_zip_archive(tmp_path: Path) -> None:
    text = "Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org\nHi.\tSalut !\nbroken\n"
    path = zipped(tmp_path / "fra-eng.zip", {"_about.txt": "About\tthis", "fra.txt": text})
    assert [*read_tabs([], [path])] == [("Go.", "Va !"), ("Hi.", "Salut !")]


@pytest.mark.parametrize("files", [{}, {"_about.txt": "no pairs"}, {"fra.csv": "a,b"}])
def test_an_archive_without_pairs_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(CorpusError, match=r"fra-eng\.zip: a zip archive with a text"):
        list(read_tabs([], [zipped(tmp_path / "fra-eng.zip", files)]))


def test_what_is_no_zip_archive_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"fra-eng.zip": "version https://git-lfs.github.com/spec/v1"})
    with pytest.raises(CorpusError, match=r"fra-eng\.zip"):
        list(read_tabs([], [tmp_path / "fra-eng.zip"]))


def test_a_sentence_of_a_third_language_joins_its_translations(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "deu-eng/t-2021.deu": "Geh.\nHallo.\n",
            "deu-eng/t-2021.eng": "Go.\nHello.\n",
            "deu-eng/t-2021.deu.labels": "deu\ndeu\n",
            "deu-fra/t-2021.deu": "Hallo.\nHallo.\nNein.\n",
            "deu-fra/t-2021.fra": "Bonjour.\nSalut.\nNon.\n",
            "eng-fra/t-2021.eng": "Left.\n",
            "eng-fra/t-2021.fra": "Parti.\n",
            "eng-spa/t-2021.eng": "Yes.\n",
            "eng-spa/t-2021.spa": "Sí.\n",
            "fra-spa/t-2021.fra": "Oui.\n",
            "fra-spa/t-2021.spa": "Sí.\n",
        },
    )
    assert sorted(read_pivot([], [tmp_path])) == [("Hello.", "Bonjour."), ("Hello.", "Salut."), ("Yes.", "Oui.")]


def verses(path: Path, rows: list[tuple[str, int, int, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Book", "Chapter", "Verse", "Text"])
        writer.writerows(rows)
    return path


def test_verses_belong_together_by_book_chapter_and_number(tmp_path: Path) -> None:
    english = verses(
        tmp_path / "en.csv",
        [
            ("Genesis", 1, 1, "At the first."),
            ("Genesis", 1, 2, "And, the earth"),
            ("Matthew", 1, 1, "A list,"),
            ("Mark", 1, 1, "The good"),
        ],
    )
    french = verses(
        tmp_path / "fr.csv",
        [
            ("Genesis", 1, 1, "Au commencement."),
            ("Genesis", 1, 2, ""),
            ("Matthew", 1, 1, "Généalogie,"),
            ("Mark", 1, 2, "Selon"),
        ],
    )
    assert [*read_old_testament([english], [french])] == [("At the first.", "Au commencement.")]
    assert [*read_new_testament([english], [french])] == [("A list,", "Généalogie,")]


def test_other_columns_are_named(tmp_path: Path) -> None:
    lay(tmp_path, {"en.csv": "b,c,v,t\nGenesis,1,1,x\n"})
    with pytest.raises(CorpusError, match="a column 'Book' expected"):
        list(read_old_testament([tmp_path / "en.csv"], [tmp_path / "en.csv"]))
