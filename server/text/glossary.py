"""Glossaries: which terms of a source have to be translated how."""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_WORD = re.compile(r"\w+|[^\w\s]")

SUFFIX = ".tsv"


def words(text: str) -> tuple[str, ...]:
    """The words and punctuation marks of a text, without differences of letter case and of Unicode's forms of a
    character."""
    return tuple(word.casefold() for word in _WORD.findall(unicodedata.normalize("NFKC", text)))


class Glossary:
    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        """`entries`: source terms and target terms; of equal source terms the last one counts."""
        self.entries = list(entries)
        self._targets = {words(source): target for source, target in self.entries}
        self._lengths: dict[str, list[int]] = {}
        """By first word: the lengths of the terms that begin with it, in words, the longest first."""
        for first, *rest in sorted(self._targets, key=len, reverse=True):
            lengths = self._lengths.setdefault(first, [])
            if 1 + len(rest) not in lengths:
                lengths.append(1 + len(rest))

    def __or__(self, other: "Glossary") -> "Glossary":
        """The entries of both glossaries; for a source term that both have, the right one's."""
        return Glossary([*self.entries, *other.entries])

    def terms_in(self, text: str) -> list[tuple[str, int, int]]:
        """The target term of every source term that the text has, in order, and where that begins and ends; longer
        source terms before shorter ones, none of whose words are counted twice."""
        matches = list(_WORD.finditer(text))
        source = tuple(match.group().casefold() for match in matches)
        found, at = [], 0
        while at < len(source):
            for length in self._lengths.get(source[at], ()):
                target = self._targets.get(source[at : at + length])
                if target is not None and at + length <= len(source):
                    found.append((target, matches[at].start(), matches[at + length - 1].end()))
                    at += length
                    break
            else:
                at += 1
        return found


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
