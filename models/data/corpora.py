"""The parallel corpora that `sources.toml` lists, read in either direction, from one folder.

The folder is given by a flag or by SEQ2SERVE_DATA: `<corpus's folder>/<part>.<language>.gz`, one sentence a line,
UTF-8, gzip. Line n of one language belongs to line n of the other.
"""

import gzip
import math
import os
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

LANGUAGES = ("en", "fr")

SOURCES = Path(__file__).with_name("sources.toml")


class Direction(NamedTuple):
    """From which language to which."""

    source: str
    target: str


REPORTED = ("multi30k", "tatoeba")
"""Corpora whose test sets every model is measured on."""

FORWARDS = Direction(*LANGUAGES)

TERMS = ("attribution", "share-alike", "research-only", "test-only")

DEFAULT_FOLDER = "data"


class CorpusError(ValueError):
    """A corpus that is missing or damaged; the message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a corpus can be downloaded from, and how it is read: `models.data.download`."""

    format: str
    url: str
    """Of the repository, or of a file where there is no commit."""
    commit: str = ""
    english: tuple[str, ...] = ()
    """Files and folders in the repository; none where the French files hold both languages."""
    french: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """Folders in the repository to which some of these files are symbolic links."""
    english_url: str = ""
    """Of the repository with the English side, where it is another one."""
    english_commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One entry of `sources.toml`."""

    domain: str
    folder: str
    """Below the data folder."""
    parts: tuple[str, ...]
    licence: str
    title: str
    attribution: str = ""
    """Who is to be named."""
    terms: tuple[str, ...]
    """What the licence asks for, of TERMS."""
    origin: Origin | None = None
    local_only: str = ""
    """Why there is no origin, and the corpus has to be given as a folder."""


class Corpus(NamedTuple):
    sources: list[str]
    targets: list[str]
    references: list[list[str]]
    """All known translations of each source; `targets` alone where a corpus has one each."""


@cache
def all_sources() -> dict[str, Source]:
    """Every corpus by its name. An entry with `terms` other than TERMS is a ValueError."""
    table = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    return {name: _source(name, entry) for name, entry in table.items()}


def _source(name: str, entry: dict[str, Any]) -> Source:
    origin = entry.pop("origin", None)
    source = Source(**_with_tuples(entry), origin=Origin(**_with_tuples(origin)) if origin else None)
    unknown = set(source.terms) - set(TERMS)
    if unknown:
        raise ValueError(f"{SOURCES}: terms of {name}: some of {', '.join(TERMS)} expected, got {', '.join(unknown)}")
    return source


def _with_tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def data_folder(given: Path | None) -> Path:
    """The folder named by the flag, else by SEQ2SERVE_DATA, else `data`."""
    return given or Path(os.environ.get("SEQ2SERVE_DATA", DEFAULT_FOLDER))


def read_corpus(folder: Path, corpus: str, part: str, direction: Direction = FORWARDS) -> Corpus:
    """Read one part of a corpus. Raises CorpusError for a missing file, a damaged one, or sides of different length."""
    if corpus not in all_sources():
        raise CorpusError(f"corpus: one of {', '.join(all_sources())} expected, got {corpus!r}")
    place = folder / all_sources()[corpus].folder
    sources, targets = (read_lines(place / f"{part}.{language}.gz") for language in direction)
    if len(sources) != len(targets):
        raise CorpusError(
            f"{place}: {part} has {len(sources)} lines of {direction.source} and {len(targets)} of {direction.target}"
        )
    if not sources:
        raise CorpusError(f"{place}: {part} is empty")
    every = place / f"{part}.refs.tsv.gz"
    if not every.exists():
        return Corpus(sources, targets, [[target] for target in targets])
    references = _read_references(every, backwards=direction.source != LANGUAGES[0])
    missing = [source for source in sources if source not in references]
    if missing:
        raise CorpusError(f"{every}: no reference for {missing[0]!r}")
    return Corpus(sources, targets, [references[source] for source in sources])


def evenly(corpus: Corpus, max_sentences: int) -> Corpus:
    """At most so many sentences of a corpus, from all over it."""
    step = math.ceil(len(corpus.sources) / max_sentences)
    return Corpus(corpus.sources[::step], corpus.targets[::step], corpus.references[::step])


def _read_references(path: Path, *, backwards: bool) -> dict[str, list[str]]:
    """Sentence -> its translations, from lines of an English sentence and all its French ones; `backwards`: French
    sentence -> all English ones that it is a translation of."""
    references: dict[str, list[str]] = {}
    for english, *french in (line.split("\t") for line in read_lines(path)):
        if not backwards:
            references[english] = french
            continue
        for sentence in french:
            references.setdefault(sentence, []).append(english)
    return references


def read_tests(data: Path, direction: Direction = FORWARDS, corpora: Sequence[str] = REPORTED) -> dict[str, Corpus]:
    """Every test set of some corpora, as `<corpus>/<part>`. Raises CorpusError, also for a corpus that has none or is
    unknown."""
    for name in corpora:
        if name not in all_sources():
            raise CorpusError(f"corpus: one of {', '.join(all_sources())} expected, got {name!r}")
        if not any(part.startswith("test") for part in all_sources()[name].parts):
            raise CorpusError(f"corpus: {name} has no test set, only: {', '.join(all_sources()[name].parts)}")
    return {
        f"{name}/{part}": read_corpus(data, name, part, direction)
        for name in corpora
        for part in all_sources()[name].parts
        if part.startswith("test")
    }


def read_lines(path: Path) -> list[str]:
    """The lines of a gzip file of UTF-8 text. Raises CorpusError."""
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
