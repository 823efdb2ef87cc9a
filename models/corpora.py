"""The parallel corpora, English-French, as `models.download` lays them out.

Both are read from one folder, given by a flag or by SEQ2SERVE_DATA: `<corpus>/<part>.<language>.gz`, one sentence a
line, UTF-8, gzip. Line n of one language belongs to line n of the other.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

SOURCE_LANGUAGE, TARGET_LANGUAGE = "en", "fr"

CORPORA = {
    "multi30k": ("train", "val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco"),
    "tatoeba": ("train", "val", "test"),
}
"""Corpus -> its parts."""

LICENCES = {
    "multi30k": "for research use (Flickr30k's captions; https://github.com/multi30k/dataset)",
    "tatoeba": "CC BY 2.0 FR (https://tatoeba.org, by way of https://www.manythings.org/anki)",
}

DEFAULT_FOLDER = "data"


class CorpusError(ValueError):
    """A corpus that is missing or damaged; the message names the file and what to do."""


class Corpus(NamedTuple):
    sources: list[str]
    targets: list[str]
    references: list[list[str]]
    """All known translations of each source; `targets` alone where a corpus has one each."""


def data_folder(given: Path | None) -> Path:
    """The folder named by the flag, else by SEQ2SERVE_DATA, else `data`."""
    return given or Path(os.environ.get("SEQ2SERVE_DATA", DEFAULT_FOLDER))


def read_corpus(folder: Path, corpus: str, part: str) -> Corpus:
    """Read one part of a corpus. Raises CorpusError for a missing file, a damaged one, or sides of different length."""
    if corpus not in CORPORA:
        raise CorpusError(f"corpus: one of {', '.join(CORPORA)} expected, got {corpus!r}")
    sources, targets = (
        _read_lines(folder / corpus / f"{part}.{language}.gz") for language in (SOURCE_LANGUAGE, TARGET_LANGUAGE)
    )
    if len(sources) != len(targets):
        raise CorpusError(
            f"{folder / corpus}: {part} has {len(sources)} lines of {SOURCE_LANGUAGE} "
            f"and {len(targets)} of {TARGET_LANGUAGE}"
        )
    if not sources:
        raise CorpusError(f"{folder / corpus}: {part} is empty")
    every = folder / corpus / f"{part}.refs.tsv.gz"
    if not every.exists():
        return Corpus(sources, targets, [[target] for target in targets])
    references = {source: rest for source, *rest in (line.split("\t") for line in _read_lines(every))}
    missing = [source for source in sources if source not in references]
    if missing:
        raise CorpusError(f"{every}: no reference for {missing[0]!r}")
    return Corpus(sources, targets, [references[source] for source in sources])


def read_tests(data: Path, kind: Literal["test", "val"] = "test") -> dict[str, Corpus]:
    """Every test set, or every validation set, as `<corpus>/<part>`."""
    return {
        f"{corpus}/{part}": read_corpus(data, corpus, part)
        for corpus, parts in CORPORA.items()
        for part in parts
        if part.startswith(kind)
    }


def _read_lines(path: Path) -> list[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\n") for line in file]
    except FileNotFoundError as error:
        raise CorpusError(
            f"{path} is missing: give the corpora's folder with --data or SEQ2SERVE_DATA, "
            "or download them with: python -m models.download"
        ) from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
