"""What is decoded as one sentence, and what in it no model may touch.

A content is laid out (`segments.py` for plain text, `markup.py` for HTML) as strings, which are written as they are,
and segments, each of which becomes one sentence for an engine. `reading.py` makes of a segment what a model reads;
`placing.py` puts everything that was taken out back into the translation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Protected(NamedTuple):
    """A part of a segment's text that a translation has as it is, exactly once: an address, a placeholder, an emoji, a
    tag that stands alone."""

    start: int
    """Where it begins, in code points of the segment's text."""
    end: int
    """Where it ends; equal to `start` for what has no text, as a tag."""
    literal: str
    """What is written in its place: mostly the text itself."""


class Element(NamedTuple):
    """An inline element of HTML that encloses a part of a segment's text, so that its tags go around the words that
    translate it. Elements of a segment are nested or disjoint; of equal ones the outer one is first."""

    start: int
    """Where the enclosed text begins, in code points of the segment's text."""
    end: int
    opening: str
    """The opening tag, byte for byte."""
    closing: str


@dataclass(frozen=True)
class Segment:
    text: str
    """Without white space at its ends. Of HTML without tags, entities decoded, line breaks as spaces; else a part of
    the content as it is."""
    origins: Sequence[int]
    """For each code point of the text, and for its end, where that is in the content, in code points: ascending.
    `range(start, end + 1)` where the text is a part of the content as it is."""
    protected: tuple[Protected, ...] = ()
    """In order, disjoint."""
    elements: tuple[Element, ...] = ()
    is_html: bool = False
    """Whether what is written has to be escaped."""
    is_cut: bool = False
    """Whether it is a part of a sentence that was longer than the model's limit."""

    @property
    def start(self) -> int:
        """Where the segment begins in the content, in code points."""
        return self.origins[0]

    @property
    def end(self) -> int:
        return self.origins[-1]


Layout = list[str | Segment]
"""A content: what is written as it is, and what is translated, in order. All of the content is in one of them: with the
content's own text in place of each segment they are the content again."""
