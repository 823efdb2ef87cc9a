"""Glossaries: which terms of a source have to be translated how."""

import codecs
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from server.text.steps import Steps

_WORD = re.compile(r"\w+|[^\w\s]")

SUFFIX = ".tsv"


def words(text: str) -> tuple[str, ...]:
    """The words and punctuation marks of a text, without differences of letter case and of Unicode's forms of a
    character."""
    return tuple(word.casefold() for word in _WORD.findall(unicodedata.normalize("NFKC", text)))


class Glossary:
    def __init__(self, entries: Iterable[tuple[str, str]] = (), base: "Glossary | None" = None) -> None:
        """entries: source terms, each with at least one word, and target terms; of equal source terms the last one
        counts. base: what counts for source terms that are not among the entries."""
        self.entries: list[tuple[str, str]] = []
        """Without those of the base."""
        self._base = base
        self._targets: dict[str, str] = {}
        """By the words of the source term, with spaces between them."""
        self._lengths: dict[str, list[int]] = {}
        """Numbers of words of the source terms that begin with a word, the longest first."""
        for source, target in entries:
            self.add(source, target)

    def add(self, source: str, target: str) -> None:
        """An entry more, which replaces an earlier one of the same source term."""
        source_words = words(source)
        self.entries.append((source, target))
        self._targets[" ".join(source_words)] = target
        lengths = self._lengths.setdefault(source_words[0], [])
        if len(source_words) not in lengths:
            lengths.append(len(source_words))
            lengths.sort(reverse=True)

    def terms_in(self, text: str) -> Steps[list[tuple[str, int, int]]]:
        """The target term of every source term that the text has, in order, and where that begins and ends; longer
        source terms before shorter ones, none of whose words are counted twice."""
        matches = list(_WORD.finditer(text))
        source = [match.group().casefold() for match in matches]
        joined = " ".join(source)
        ends = list(itertools.accumulate(len(word) + 1 for word in source))
        found, at = [], 0
        while at < len(source):
            yield
            start = ends[at] - 1 - len(source[at])
            for length in self._lengths_from(source[at]):
                target = self._target(joined[start : ends[at + length - 1] - 1]) if at + length <= len(source) else None
                if target is not None:
                    found.append((target, matches[at].start(), matches[at + length - 1].end()))
                    at += length
                    break
            else:
                at += 1
        return found

    def _lengths_from(self, word: str) -> Sequence[int]:
        own = self._lengths.get(word, ())
        of_base = self._base._lengths_from(word) if self._base else ()
        return sorted({*own, *of_base}, reverse=True) if own and of_base else own or of_base

    def _target(self, source: str) -> str | None:
        target = self._targets.get(source)
        return self._base._target(source) if target is None and self._base else target


def read_glossary(path: Path) -> Glossary:
    """Read a file of `source term <tab> target term` lines, UTF-8; blank lines and those that begin with # are passed
    over.

    Raises ValueError naming the line, and OSError.
    """
    entries = []
    for number, raw in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"line {number}: UTF-8 expected, got {error}") from error
        if line.strip() and not line.startswith("#"):
            terms = [term.strip() for term in line.split("\t")]
            if len(terms) != 2 or not all(terms) or not words(terms[0]):
                raise ValueError(f"line {number}: a source term, a tab and a target term expected, got {line[:80]!r}")
            entries.append((terms[0], terms[1]))
    return Glossary(entries)
