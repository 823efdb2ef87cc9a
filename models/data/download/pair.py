"""A sentence or a block with its translation, as every reader of a source yields them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sentencex


class Pair(NamedTuple):
    english: str
    french: str

    def sentences(self) -> tuple[list[str], list[str]]:
        """The sentences of both sides; they may be of different number."""
        return _sentences("en", self.english), _sentences("fr", self.french)


Read = Callable[[Sequence[Path], Sequence[Path]], Iterator[Pair]]
"""Reads a source: (English files or folders, French files or folders) -> pairs, with the markup taken out.

Formats that hold both languages in one file take these files as French ones.
"""


class Format(NamedTuple):
    read: Read
    of_blocks: bool
    """Whether pairs are paragraphs and the like, worth splitting into sentences."""


def _sentences(language: str, text: str) -> list[str]:
    return [sentence.strip() for sentence in sentencex.segment(language, text) if sentence.strip()]
