"""Sources with a sentence, a pair or a verse in each line."""

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from models.data.corpora import CorpusError
from models.data.download.pair import Pair

_TAG = re.compile(r"</?\w+>")
_LINES_OF_TITLE = 2

PIVOT_LANGUAGES = ("eng", "fra")


def read_lines(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Line n of an English file with line n of the French file at the same place in the list.

    Raises CorpusError where two files have not equally many lines.
    """
    for ours, theirs in zip(english, french, strict=True):
        lines = [_lines(path) for path in (ours, theirs)]
        if len(lines[0]) != len(lines[1]):
            raise CorpusError(f"{ours}: {len(lines[0])} lines, and {len(lines[1])} in {theirs}")
        yield from map(Pair, *lines)


def read_books(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Paragraph n of an English text with paragraph n of the French one, as bilinguator's aligned texts have them: a
    paragraph a line, with tags, below a line for the author and one for the title.

    Raises CorpusError where two texts have not equally many paragraphs.
    """
    for ours, theirs in zip(english, french, strict=True):
        for pair in islice(read_lines([ours], [theirs]), _LINES_OF_TITLE, None):
            yield Pair(*(_TAG.sub("", side.replace("<delimiter>", " ")) for side in pair))


def read_tabs(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Lines of `English <tab> French [<tab> attribution]`, as manythings.org makes them, in zip archives of one text.

    Raises CorpusError for an archive without such a text.
    """
    for path in french:
        try:
            with zipfile.ZipFile(path) as archive:
                member = next(name for name in archive.namelist() if name.endswith(".txt") and name[0] != "_")
                text = archive.read(member).decode("utf-8")
        except (zipfile.BadZipFile, StopIteration, UnicodeDecodeError) as error:
            raise CorpusError(f"{path}: a zip archive with a text of sentence pairs expected: {error!r}") from error
        for line in text.splitlines():
            fields = line.split("\t")
            if len(fields) > 1:
                yield Pair(fields[0], fields[1])


def read_pivot(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """English and French sentences that are translations of one sentence in a third language.

    Each folder has folders `<language>-<language>` with files `<name>.<language>`, as the Tatoeba Challenge's test sets
    are laid out (Tiedemann 2020).
    """
    for folder in french:
        for other in sorted({code for path in folder.iterdir() for code in path.name.split("-")} - {*PIVOT_LANGUAGES}):
            translations = [_translations(folder, language, other) for language in PIVOT_LANGUAGES]
            for sentence in translations[0].keys() & translations[1].keys():
                for ours in translations[0][sentence]:
                    yield from (Pair(ours, theirs) for theirs in translations[1][sentence])


def _translations(folder: Path, language: str, other: str) -> dict[str, dict[str, None]]:
    """Sentence of the other language -> its translations, in the order in which they are found."""
    found: dict[str, dict[str, None]] = {}
    for pair in (f"{language}-{other}", f"{other}-{language}"):
        for path in sorted((folder / pair).glob(f"*.{language}")):
            beside = path.with_suffix(f".{other}")
            if beside.exists():
                for sentence, translation in zip(_lines(beside), _lines(path), strict=False):
                    found.setdefault(sentence, {})[translation] = None
    return found


_FIRST_BOOK_OF_NEW_TESTAMENT = "Matthew"


def read_old_testament(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    return _read_verses(english, french, new_testament=False)


def read_new_testament(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    return _read_verses(english, french, new_testament=True)


def _read_verses(english: Sequence[Path], french: Sequence[Path], *, new_testament: bool) -> Iterator[Pair]:
    """Verses of the same book, chapter and number, from CSV files with the columns Book, Chapter, Verse and Text."""
    for ours, theirs in zip(english, french, strict=True):
        translations = _verses(theirs, new_testament=new_testament)
        for place, verse in _verses(ours, new_testament=new_testament).items():
            if verse and translations.get(place):
                yield Pair(verse, translations[place])


def _verses(path: Path, *, new_testament: bool) -> dict[tuple[str, str, str], str]:
    """(Book, chapter, verse) -> text, of one Testament. Raises CorpusError for other columns."""
    verses: dict[tuple[str, str, str], str] = {}
    reached = False
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                reached = reached or row["Book"] == _FIRST_BOOK_OF_NEW_TESTAMENT
                if reached == new_testament:
                    verses[row["Book"], row["Chapter"], row["Verse"]] = row["Text"]
            except KeyError as error:
                raise CorpusError(f"{path}: a column {error} expected") from error
    return verses


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
