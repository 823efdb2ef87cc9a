"""The texts of a vocabulary's pieces, and where words begin in them."""

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece's sign for a space; a sentence begins with one."""


def begins_word(text: str, before: str) -> bool:
    """Whether a text that stands behind the character `before`, or behind none, is not the later part of a word."""
    return not (text[0].isalnum() and before.isalnum())


class Pieces:
    """The vocabulary's texts, to find those that begin with, or contain, a text."""

    def __init__(self, texts: Sequence[str], file: Path | None = None) -> None:
        """texts: of every id, with SentencePiece's sign for a space; empty for ids that write nothing. file: where
        another process, to which they are pickled, finds them."""
        self.texts = texts
        self._file = file
        order = sorted((text, id_) for id_, text in enumerate(texts) if text)
        self._sorted_texts = [text for text, _ in order]
        self._sorted_ids = [id_ for _, id_ in order]
        self._joined = "\n".join(texts)
        self._starts = [0]
        for text in texts:
            self._starts.append(self._starts[-1] + len(text) + 1)
        self.continues_word = np.array([bool(text) and text[0].isalnum() for text in texts])
        """bool [vocabulary]: written behind a word, the piece makes it longer."""

    def __reduce__(self) -> tuple[Any, ...]:
        from server.text.sentencepieces import pieces_of

        return (pieces_of, (self._file,)) if self._file else (Pieces, (self.texts,))

    def beginning_with(self, text: str) -> list[int]:
        first = bisect.bisect_left(self._sorted_texts, text)
        last = bisect.bisect_left(self._sorted_texts, text + chr(0x10FFFF))
        return self._sorted_ids[first:last]

    def containing(self, text: str) -> list[int]:
        """Those with the text inside, where `begins_word` says that it counts, but not at their own beginning."""
        found = []
        at = self._joined.find(text)
        while at >= 0:
            id_ = bisect.bisect_right(self._starts, at) - 1
            if at > self._starts[id_] and begins_word(text, self._joined[at - 1]):
                found.append(id_)
            at = self._joined.find(text, at + 1)
        return found
