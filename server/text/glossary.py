"""Glossaries: which terms of a source have to be translated how."""

import bisect
from collections.abc import Iterable
from typing import NamedTuple

from server.text.steps import Steps
from server.text.words import Word, split_words

_STEP = 1000
"""Words between two yields."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared."""
    steps = split_words(text)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[Word] = end.value
            return tuple(word.key for word in found)


class _Index(NamedTuple):
    """Source terms in an order that lets the longest one that a text begins with be found by bisection."""

    keys: list[str]
    """Words of each source term, a space behind each word; sorted."""
    shorter: list[int]
    """Index of the longest other term that a term begins with, -1 for none."""
    max_length: int
    """Characters of the longest key."""

    @classmethod
    def of(cls, keys: Iterable[str]) -> "_Index":
        ordered = sorted(keys)
        shorter: list[int] = []
        beginnings: list[int] = []
        for index, key in enumerate(ordered):
            while beginnings and not key.startswith(ordered[beginnings[-1]]):
                beginnings.pop()
            shorter.append(beginnings[-1] if beginnings else -1)
            beginnings.append(index)
        return cls(ordered, shorter, max(map(len, ordered), default=0))

    def longest(self, text: str, start: int, ends: dict[int, int]) -> str:
        """The longest term that stands at `start` of a text of words and ends where a word does; empty for none."""
        rest = text[start : start + self.max_length]
        # Sorted, terms that the rest begins with are before it, and of those between them all begin with the first.
        at = bisect.bisect_right(self.keys, rest) - 1
        while at >= 0:
            key = self.keys[at]
            if rest.startswith(key) and start + len(key) in ends:
                return key
            at = self.shorter[at]
        return ""


class Glossary:
    def __init__(self, entries: Iterable[tuple[str, str]] = (), base: "Glossary | None" = None) -> None:
        """entries: source terms, each with at least one word, and target terms; of equal source terms the last one
        counts. base: what counts for source terms that are not among the entries.

        Raises ValueError for a source term without a word.
        """
        self.entries: list[tuple[str, str]] = []
        """Without those of the base."""
        self._base = base
        self._targets: dict[str, str] = {}
        """By key of the source term."""
        self._index: _Index | None = None
        """None where entries were added since it was made."""
        for source, target in entries:
            self.add(source, target)
        self._index = _Index.of(self._targets)

    def add(self, source: str, target: str) -> None:
        """An entry more, which replaces an earlier one of the same source term. Raises ValueError for a source term
        without a word."""
        source_words = words(source)
        if not source_words:
            raise ValueError(f"a source term that has a word expected, got {source!r}")
        self.entries.append((source, target))
        self._targets["".join(f"{word} " for word in source_words)] = target
        self._index = None

    def terms_in(self, text: str) -> Steps[list[tuple[str, int, int]]]:
        """The target term of every source term that the text has, in order, and where that begins and ends, in code
        points of the text; longer source terms before shorter ones, none of whose words are counted twice.

        Takes time that grows with the text's length times the logarithm of the number of entries.
        """
        text_words = yield from split_words(text)
        joined = "".join([f"{word.key} " for word in text_words])
        ends: dict[int, int] = {}
        """Index of the word behind each place in `joined` where one ends."""
        starts = []
        end = 0
        for index, word in enumerate(text_words, start=1):
            starts.append(end)
            end += len(word.key) + 1
            ends[end] = index
            if index % _STEP == 0:
                yield
        found, at = [], 0
        while at < len(text_words):
            yield
            key, target = self._longest(joined, starts[at], ends)
            if key:
                behind = ends[starts[at] + len(key)]
                found.append((target, text_words[at].start, text_words[behind - 1].end))
                at = behind
            else:
                at += 1
        return found

    def _longest(self, text: str, start: int, ends: dict[int, int]) -> tuple[str, str]:
        """Key and target of the longest term that stands there; the key is empty for none."""
        if self._index is None:
            self._index = _Index.of(self._targets)
        own = self._index.longest(text, start, ends)
        of_base = self._base._longest(text, start, ends) if self._base else ("", "")
        return (own, self._targets[own]) if own and len(own) >= len(of_base[0]) else of_base
