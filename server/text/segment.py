"""What is decoded as one sentence, and what in it no model may touch.

A content is laid out (`segments.py` for plain text, `markup.py` for HTML) as strings, which are written as they are,
and segments, each of which becomes one sentence for an engine. `reading.py` makes of a segment what a model reads;
`placing.py` puts everything that was taken out back into the translation.
"""

import enum
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from server.text.steps import Steps


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


class _Order(enum.IntEnum):
    """Of what is protected at one place of a part, what comes first."""

    CLOSING = enum.auto()
    POINT = enum.auto()
    OPENING = enum.auto()
    TEXT = enum.auto()


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

    def parts(self, spans: Sequence[tuple[int, int]]) -> Steps[list["Segment"]]:
        """The segment cut into the parts of its text that begin and end at `spans`, in order. White space between two
        of them is in none.

        An element goes along with the part that holds all of what it encloses. The tags of any other become protected
        points: the opening one in the part where it begins, the closing one where it ends. A protected text that goes
        on in the next part is protected in both. A part begins in the content with the tags that are behind the white
        space before it, so that none is between two parts.
        """
        starts, ends = zip(*spans, strict=True)
        protected: list[list[tuple[int, _Order, Protected]]] = [[] for _ in spans]
        elements: list[list[Element]] = [[] for _ in spans]

        def add(part: int, order: _Order, start: int, end: int, literal: str) -> None:
            offset = starts[part]
            first, last = (min(max(position, offset), ends[part]) - offset for position in (start, end))
            protected[part].append((first, order, Protected(first, last, literal)))

        closing: list[tuple[int, Element]] = []
        for element in self.elements:
            first, last = bisect_right(ends, element.start), bisect_left(starts, element.end) - 1
            if first < last:
                add(first, _Order.OPENING, element.start, element.start, element.opening)
                closing.append((last, element))
            elif first == last:
                offset = starts[first]
                start, end = max(element.start, offset) - offset, min(element.end, ends[first]) - offset
                elements[first].append(element._replace(start=start, end=end))
            else:  # it encloses nothing but white space between two parts
                add(max(last, 0), _Order.POINT, element.start, element.start, element.opening + element.closing)
            yield
        for part, element in reversed(closing):  # the inner one is closed first
            add(part, _Order.CLOSING, element.end, element.end, element.closing)
            yield
        for span in self.protected:
            if span.start == span.end:
                add(bisect_left(ends, span.start), _Order.POINT, *span)
                continue
            is_text = span.literal == self.text[span.start : span.end]
            part, literal = bisect_right(ends, span.start), span.literal
            while part < len(spans) and starts[part] < span.end:
                own = self.text[max(span.start, starts[part]) : min(span.end, ends[part])] if is_text else literal
                add(part, _Order.TEXT, span.start, span.end, own)
                part, literal = part + 1, ""
            yield
        places = yield from self._places_of_tags()
        parts = []
        last_end = 0
        for (start, end), points, inner in zip(spans, protected, elements, strict=True):
            points.sort(key=lambda point: point[:2])
            own_protected = tuple(point for _, _, point in points)
            origins = self.origins[start : end + 1]
            at = bisect_right(places, (last_end, self.end))
            if at < len(places) and last_end < places[at][0] <= start:
                origins = [max(places[at][1], self.origins[last_end]), *origins[1:]]
            last_end = end
            parts.append(
                replace(
                    self,
                    text=self.text[start:end],
                    origins=origins,
                    protected=own_protected,
                    elements=tuple(inner),
                    is_cut=True,
                )
            )
            yield
        return parts

    def _places_of_tags(self) -> Steps[list[tuple[int, int]]]:
        """Places of the text at which tags stand, in order, each with where the first of its tags begins in the
        content."""
        lengths: Counter[int] = Counter()
        for span in self.protected:
            if self.is_html and span.start == span.end:
                lengths[span.start] += len(span.literal)
            yield
        for element in self.elements:
            lengths[element.start] += len(element.opening)
            lengths[element.end] += len(element.closing)
            yield
        return sorted((place, self.origins[place] - length) for place, length in lengths.items())


Layout = list[str | Segment]
"""A content: what is written as it is, and what is translated, in order. All of the content is in one of them: with the
content's own text in place of each segment they are the content again."""
