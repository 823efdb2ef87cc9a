"""A sentence or a block with its translation, as every reader of a source yields them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sentencex


class Pair(NamedTuple):
    english: str
    french: str


Reader = Callable[[Sequence[Path], Sequence[Path]], Iterator[Pair]]
"""Reads a source: (English files or folders, French files or folders) -> pairs, with the markup taken out.

Formats that hold both languages in one file take these files as French ones.
"""


def split_sentences(pair: Pair) -> Iterator[Pair]:
    """Pairs of sentences, where both sides have equally many; the pair as it is, where they have not."""
    english, french = (
        [sentence.strip() for sentence in sentencex.segment(language, side) if sentence.strip()]
        for language, side in (("en", pair.english), ("fr", pair.french))
    )
    if len(english) == len(french):
        yield from map(Pair, english, french)
    else:
        yield pair
