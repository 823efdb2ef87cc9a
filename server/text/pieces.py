"""The texts of a vocabulary's pieces, and where words begin in them."""

import bisect
from collections.abc import Iterable, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece's sign for a space; a sentence begins with one."""

Int64 = npt.NDArray[np.int64]


def begins_word(text: str, before: str) -> bool:
    """Whether a text that stands behind the character `before`, or behind none, is not the later part of a word."""
    return not (text[0].isalnum() and before.isalnum())


def contains(text: str, phrase: str) -> bool:
    """Whether a text has a phrase, which is not the later part of a word."""
    at = text.find(phrase)
    while at >= 0:
        if begins_word(phrase, text[at - 1 : at]):
            return True
        at = text.find(phrase, at + 1)
    return False


class Pieces:
    """The vocabulary's texts, to find those that begin with, or contain, a text.

    Built in time that grows with the vocabulary, once a process; a search takes a few comparisons.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """texts: of every id, with SentencePiece's sign for a space; empty for ids that write nothing."""
        self.texts = texts
        self.continues_word = np.array([bool(text) and text[0].isalnum() for text in texts])
        """bool [vocabulary]: written behind a word, the piece makes it longer."""
        self._beginnings = _SortedTexts((text, id_) for id_, text in enumerate(texts) if text)
        self._insides = _SortedTexts(
            (inside, id_) for id_, text in enumerate(texts) for inside in _rests_that_begin_words(text)
        )
        self._longest: dict[str, int] = {}
        """Characters of the longest piece, by the character that it begins with."""
        for text in filter(None, texts):
            self._longest[text[0]] = max(len(text), self._longest.get(text[0], 0))

    def beginning_with(self, text: str) -> Int64:
        """Ids of pieces, each once; a view, not to be changed."""
        return self._beginnings.beginning_with(text)

    def containing(self, text: str) -> Int64:
        """Ids of pieces with the text inside, where `begins_word` says that it counts, but not at their own beginning;
        a view, not to be changed. A piece that has the text twice is there twice."""
        return self._insides.beginning_with(text)

    def may_begin_with(self, character: str, length: int) -> bool:
        """Whether a piece of at least `length` characters begins with the character."""
        return length <= self._longest.get(character, 0)

    def union(self, groups: Iterable[Int64]) -> Int64:
        """Ids that are in at least one of the groups, each once, in ascending order."""
        is_in = np.zeros(len(self.texts), bool)
        for ids in groups:
            is_in[ids] = True
        return np.flatnonzero(is_in)


class _SortedTexts:
    """Texts with an id each; one text may have several ids."""

    def __init__(self, texts_and_ids: Iterable[tuple[str, int]]) -> None:
        ordered = sorted(texts_and_ids, key=itemgetter(0))
        self._texts = [text for text, _ in ordered]
        self._ids = np.array([id_ for _, id_ in ordered], np.int64)

    def beginning_with(self, text: str) -> Int64:
        first = bisect.bisect_left(self._texts, text)
        last = bisect.bisect_left(self._texts, text + chr(0x10FFFF), first)
        return self._ids[first:last]


def _rests_that_begin_words(text: str) -> list[str]:
    """The rests of a text, shorter than itself, of which `begins_word` is true where they stand."""
    rest = text[1:]
    if rest.isalnum():  # as nearly all pieces are
        return [] if text[0].isalnum() else [rest]
    return [text[at:] for at in range(1, len(text)) if begins_word(text[at], text[at - 1])]
