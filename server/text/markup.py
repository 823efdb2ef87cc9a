"""HTML as a layout: sentences with the tags that stand in them, and all other markup as it is.

A segment has no tags in its text. Those that stand in it are

- an `Element` if both tags of an inline element do, with words between them;
- a `Protected` with text if the words belong together with their markup: those of an element that is kept as it is, as
  `code`, and an address or the like, with all tags inside;
- a `Protected` without text otherwise: an image, a comment, an element without words, a tag whose partner is missing,
  in another segment, or nested wrongly.

Tags around whole segments are outside of them. Where several things stand at one place of a text, closing tags come
first, then what has no text, then opening tags; a tag for which that is not true (an image at an inner edge of an
element) is a part of the element's opening or closing. So the tags of a segment have one order.

`origins` of a segment begin before the opening tags at its start that belong to it, and end behind the closing ones at
its end. Between, the origin of a code point is where it, or its character reference, begins, behind the tags that are
before it; the second code point of a reference begins where the reference ends. So the range from a segment's first
origin to its last is the markup that its translation takes the place of, whole.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from server.text.html_blocks import Block, Mark, read_blocks
from server.text.html_tokens import Kind, escape
from server.text.segment import Element, Layout, Protected, Segment
from server.text.steps import Steps

FindSegments = Callable[[str, Sequence[Protected]], Steps[list[tuple[int, int]]]]
FindProtected = Callable[[str], Steps[list[Protected]]]

_OPEN_END = re.compile(r"(?:&[#\w]*|<)\Z")
"""What could become a reference or a tag by what is written behind it."""


def lay_out_html(content: str, find_segments: FindSegments, find_protected: FindProtected) -> Steps[Layout]:
    """find_segments: the parts of a block's text that are sentences, in order, where the text may not be cut in what
    is protected. find_protected: addresses, placeholders and the like in a block's text, in order, disjoint."""
    layout: Layout = []
    end = 0
    for block in (yield from read_blocks(content)):
        for segment in (yield from _find_in_block(content, block, find_segments, find_protected)):
            if end < segment.start:
                layout.append(content[end : segment.start])
            layout.append(segment)
            end = segment.end
            yield
    return [*layout, content[end:]] if end < len(content) else layout


def write_untranslated(segment: Segment) -> Steps[str]:
    """A segment, of HTML or not, with its own text and what is written in place of its protected parts. Tags that are
    amid one of these are behind it."""
    starts = [span.start for span in segment.protected]

    def outside(place: int) -> int:
        at = bisect_left(starts, place) - 1
        return max(place, segment.protected[at].end) if at >= 0 else place

    closing: defaultdict[int, list[str]] = defaultdict(list)
    opening: defaultdict[int, list[str]] = defaultdict(list)
    for element in segment.elements:
        start, end = outside(element.start), outside(element.end)
        if start == end:
            closing[start].append(element.opening + element.closing)
        else:
            opening[start].append(element.opening)
            closing[end].insert(0, element.closing)
        yield
    points = sorted({*closing, *opening, *starts, len(segment.text)})
    pieces: list[str] = []
    at = number = 0
    for point in points:
        text = segment.text[at:point]
        pieces += [escape(text) if segment.is_html else text, *closing[point]]
        at = max(at, point)
        while number < len(starts) and starts[number] == point and segment.protected[number].end == point:
            pieces.append(segment.protected[number].literal)
            number += 1
        pieces += opening[point]
        if number < len(starts) and starts[number] == point:
            pieces.append(segment.protected[number].literal)
            at = segment.protected[number].end
            number += 1
        yield
    return "".join(pieces)


@dataclass(slots=True)
class _Text:
    """A block whose tags are paired. `begins` and `ends` are those of `Block`; any protected part begins and ends there
    as a kept element does."""

    text: str
    begins: list[int]
    ends: list[int]
    marks: list[Mark]
    protected: list[Protected]
    """Those with text; their tags are not among the marks."""

    def is_second(self, at: int) -> bool:
        """Whether a code point is the second of a character reference."""
        return at < len(self.text) and self.begins[at] == self.ends[at]

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the text begins and ends in the content, with the tags at its edges whose elements begin or
        end inside it."""
        first, last = self.begins[start], self.ends[end - 1]
        for at in range(bisect_left(self.marks, start, key=_at), len(self.marks)):
            mark = self.marks[at]
            if mark.at > start:
                break
            if mark.kind is Kind.OPENING and mark.partner and start < mark.partner.at < end:
                first = mark.start
                break
        for at in range(bisect_right(self.marks, end, key=_at) - 1, -1, -1):
            mark = self.marks[at]
            if mark.at < end:
                break
            if mark.kind is Kind.CLOSING and mark.partner and start < mark.partner.at < end:
                last = mark.end
                break
        return first, last

    def marks_within(self, start: int, end: int, first: int, last: int) -> list[Mark]:
        """Marks from `start` to `end` of the text, and from `first` to `last` of the content."""
        low, high = bisect_left(self.marks, start, key=_at), bisect_right(self.marks, end, key=_at)
        return [mark for mark in self.marks[low:high] if first <= mark.start and mark.end <= last]


def _at(mark: Mark) -> int:
    return mark.at


def _find_in_block(
    content: str, block: Block, find_segments: FindSegments, find_protected: FindProtected
) -> Steps[list[Segment]]:
    text = "".join(block.pieces)
    marks = (yield from _pair(block.marks, text)) if block.marks else []
    whole = _Text(text, block.begins, block.ends, marks, [])
    spans = [*block.kept, *((each.start, each.end) for each in (yield from find_protected(text)))]
    if spans:
        yield from _protect(content, whole, spans)
    ranges = yield from find_segments(text, whole.protected)
    if whole.protected:
        ranges = yield from _widened(text, ranges, whole.protected)
    words = _without(text, block.kept) if block.kept else text
    segments = []
    for start, end in (yield from _united(whole, ranges)):
        if not words[start:end].isspace():
            segments.append((yield from _segment(content, whole, start, end)))
        yield
    return segments


def _pair(marks: Sequence[Mark], text: str) -> Steps[list[Mark]]:
    """Make partners of the tags of each element that has words and is nested rightly, and one mark of all the marks of
    an element without text. Returns the marks that there are then."""
    unclosed: defaultdict[str, list[tuple[Mark, int]]] = defaultdict(list)
    num_stretches = before = 0  # of words between marks, so far
    for mark in marks:
        num_stretches += bool(text[before : mark.at].strip())
        before = mark.at
        if mark.kind is Kind.OPENING:
            unclosed[mark.name].append((mark, num_stretches))
        elif mark.kind is Kind.CLOSING and unclosed[mark.name]:
            opening, num_before = unclosed[mark.name].pop()
            if num_stretches > num_before or opening.at == mark.at:
                opening.partner, mark.partner = mark, opening
        yield
    open_: list[Mark] = []
    for mark in marks:
        if mark.partner and mark.kind is Kind.OPENING:
            open_.append(mark)
        elif mark.partner:
            is_crossing = open_[-1] is not mark.partner
            while open_[-1] is not mark.partner:
                _part(open_.pop())
            open_.pop()
            if is_crossing:
                _part(mark)
        yield
    left: list[Mark] = []
    for mark in marks:
        if left and mark.start < left[-1].end:
            continue
        if mark.kind is Kind.OPENING and mark.partner and mark.partner.at == mark.at:
            mark = Mark(mark.at, mark.start, mark.partner.end, Kind.OTHER)
        left.append(mark)
        yield
    return left


def _part(mark: Mark) -> None:
    if mark.partner:
        mark.partner.partner = None
        mark.partner = None


def _protect(content: str, whole: _Text, spans: Sequence[tuple[int, int]]) -> Steps[None]:
    """Make protected parts of spans of the text, and take the marks inside them away."""
    gone: set[int] = set()
    for start, end in (yield from _united(whole, spans)):
        first, last = whole.bounds(start, end)
        for mark in whole.marks_within(start, end, first, last):
            gone.add(mark.start)
            _part(mark)
        whole.begins[start], whole.ends[end - 1] = first, last
        literal = content[first:last]
        if open_end := _OPEN_END.search(literal):
            decoded = bisect_left(whole.begins, first + open_end.start(), start, end)
            literal = literal[: open_end.start()] + escape(whole.text[decoded:end])
        whole.protected.append(Protected(start, end, literal))
        yield
    if gone:
        whole.marks = [mark for mark in whole.marks if mark.start not in gone]


def _united(whole: _Text, spans: Sequence[tuple[int, int]]) -> Steps[list[tuple[int, int]]]:
    """Spans without white space at their ends and with whole character references, in order; of those that overlap
    one."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        start, end = _strip(whole.text, start, end)
        start, end = start - whole.is_second(start), end + whole.is_second(end)
        if united and start < united[-1][1]:
            start, end = united[-1][0], max(end, united[-1][1])
            united.pop()
        if start < end:
            united.append((start, end))
        yield
    return united


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _widened(
    text: str, ranges: Sequence[tuple[int, int]], protected: Sequence[Protected]
) -> Steps[list[tuple[int, int]]]:
    """Ranges, without white space at their ends, with all of what is protected in part of them."""
    wide: list[tuple[int, int]] = []
    at = 0
    for start, end in ranges:
        start, end = _strip(text, start, end)
        while at < len(protected) and protected[at].end <= start:
            at += 1
            yield
        while start < end and at < len(protected) and protected[at].start < end:
            start, end = min(start, protected[at].start), max(end, protected[at].end)
            at += 1
            yield
        wide.append((start, end))
        yield
    return wide


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with spaces instead of the spans."""
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*pieces, text[at:]])


def _segment(content: str, whole: _Text, start: int, end: int) -> Steps[Segment]:
    text = whole.text[start:end]
    if not whole.marks and not whole.protected:
        return Segment(text, [*whole.begins[start:end], whole.ends[end - 1]], is_html=True)
    first, last = whole.bounds(start, end)
    elements: list[tuple[Mark, Mark, list[str]]] = []
    """With the opening and the closing, as they are written."""
    closings: dict[int, list[str]] = {}
    points: list[Protected] = []
    waiting: list[Protected] = []
    """What has no text, at one place, behind no opening tag of that place."""
    for mark in whole.marks_within(start, end, first, last):
        at, source, partner = mark.at - start, content[mark.start : mark.end], mark.partner
        if waiting and waiting[0].start < at:
            points += waiting
            waiting = []
        if not partner or partner.start < first or partner.end > last:
            if elements and elements[-1][0].at == mark.at:
                elements[-1][2][0] += source
            else:
                waiting.append(Protected(at, at, source))
        elif mark.kind is Kind.OPENING:
            points += waiting
            waiting = []
            elements.append((mark, partner, [source, ""]))
            closings[partner.start] = elements[-1][2]
        else:
            closings[mark.start][1] = "".join(each.literal for each in waiting) + source
            waiting = []
        yield
    low = bisect_left(whole.protected, (start,))
    for each in whole.protected[low : bisect_left(whole.protected, (end,))]:
        points.append(Protected(each.start - start, each.end - start, each.literal))
        yield
    points += waiting
    points.sort(key=itemgetter(0, 1))
    written = []
    for opening, closing, tags in elements:
        written.append(Element(opening.at - start, closing.at - start, *tags))
        yield
    origins = [first, *whole.begins[start + 1 : end], last]
    return Segment(text, origins, tuple(points), tuple(written), is_html=True)
