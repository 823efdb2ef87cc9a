"""Span pieces: the reserved characters that a model reads and writes in place of what no model may touch.

They are private-use characters of Unicode, U+E000 for the first protected span of a sentence, U+E001 for the second,
and so on. A model that was trained with them has each as a single piece of its vocabulary (`user_defined_symbols` of
SentencePiece). They are no text: no user's character is ever read as one of them, and none that a model writes is ever
answered.
"""

import itertools
import re
from collections.abc import Iterable

FIRST, LAST = "\ue000", "\uf8ff"
"""Of the private-use area."""

RESERVED = re.compile(f"[{FIRST}-{LAST}]")

_NEVER_A_PIECE = "\U000f0000"
"""Private use as well, and of another plane."""


def is_reserved(character: str) -> bool:
    return FIRST <= character <= LAST


def span_pieces(vocabulary: Iterable[str]) -> tuple[str, ...]:
    """The span pieces that a vocabulary has: from U+E000 on, up to the first one that it lacks."""
    characters = map(chr, range(ord(FIRST), ord(LAST) + 1))
    return tuple(itertools.takewhile(frozenset(vocabulary).__contains__, characters))


def without_reserved(text: str) -> str:
    """A user's text as it may be given to a tokenizer: with what no vocabulary has in place of reserved characters."""
    return RESERVED.sub(_NEVER_A_PIECE, text)
