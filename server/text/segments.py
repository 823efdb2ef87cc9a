"""How a plain text is laid out: what of it is translated, sentence by sentence, and what is kept as it is.

Lines come first: breaks, blank lines, indentation, trailing blanks and the markers of list items are separators; so are
tabs, the bars of a table's row, between its cells, and the signs between the entries of a menu (`Home | Contact`) or
form. Then each of them is cut into its sentences (`sentences.py`). A sentence that is longer than a model's limit is
cut once more.
"""

import enum
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import regex

from server.text.segment import Layout, Protected, Segment
from server.text.sentences import find_sentences
from server.text.steps import Steps

_LINE = re.compile(r"[^\n\r\v\f\x85\u2028\u2029]+")

_SYMBOL = r"(?:[-–—]{1,3}|[*+]{1,3}|\#{1,6}|[•‣◦▪▫●○■□◆◇►▸➤⁃·※✓✔✗✘☐☑☒]|>+|\[[ xX]?\])\s+"
_BARE_SYMBOL = r"(?:[•‣◦▪●■►▸➤⁃①-⑳]|>+(?=[^\W\d_])|\d{1,3}、)\s*"
_NUMBER = r"""(?:
    \(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5}|[IVX]{2,5})\)
    | (?:\d{1,3}\.)+(?:\d{0,3}\))? (?!\s+(?:\d{1,2}\.\s|\d{4}\b))
    | (?:[ivx]{1,5}|[IVX]{2,5}|[a-z]) \. (?!\s+[A-Za-z]\.)
)\s+"""
_LEAD = re.compile(rf"\s*(?:{_SYMBOL}|{_BARE_SYMBOL})*(?:{_NUMBER}(?:{_SYMBOL})*)?", re.VERBOSE)
"""A line's indentation and its markers with the blanks behind them: `- `, `* `, `• `, `1. `, `a) `, `(iv) `, `## `,
`> `, `[x] `, and several of them, as in `> - [ ] `. No marker begins a date as `3. 12. 2024`, or `e. e. cummings`."""

_BETWEEN_CELLS = re.compile(r"[|\t][|\s]*+")
_BETWEEN_ENTRIES = re.compile(
    r"(?P<opening>[(\[{])|(?P<closing>[)\]}])"
    r"|(?<=\s)(?P<bar>\|{1,2}|[¦·•‣])(?=\s|$)"
    r"|(?<=\s)(?P<step>[>›])(?=\s)"
    r"|(?P<always>\t|(?:(?<=[:：])|(?<=[:：]\s))(?:_{2,}+(?:[/.-]_{2,}+)*+|\.{6,}+|…{2,}+))"
)
"""What may be between the entries of a menu, of a path to a page or of a form, and brackets: see `_between_entries`."""
_HAS_SIGN = re.compile(r"[|¦·•‣>›\t_…]|\.{6}")
"""A line without one of these, as most are, has nothing between entries."""
_FINAL_MARKS = frozenset(".!?…。！？")

_CLAUSE = re.compile(r"[,;:—–.!?…،؛؟][\"'”’»›)\]]*(?=\s)|[、，；：。！？][」』”）]*")
_WORD_END = re.compile(r"(?<=\S)(?=\s)")
_LONG_WORD = 40
"""Characters."""
_BLANKS = re.compile(r"\s*")
_CHARACTER = regex.compile(r"\X")
"""What a reader takes for one character (UAX #29)."""

_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"

Span = tuple[int, int]


class Splitting(enum.Enum):
    """What becomes a segment."""

    SENTENCES = enum.auto()
    LINES = enum.auto()
    NONE = enum.auto()
    """The whole text, with its line breaks."""


def find_segments(text: str, language: str, splitting: Splitting, whole: Sequence[Protected] = ()) -> Steps[list[Span]]:
    """Where each segment of a text begins and ends, in code points: in order, disjoint, none empty, and no white space
    at an end. All that is between them is separator.

    language: BCP 47 code of the text's language.
    whole: in order, disjoint. Segments that meet inside one of them are one segment, and no segment begins or ends
        inside one; one that touches no segment remains separator.
    """
    segments: list[Span] = []
    start = int(text.startswith(_BYTE_ORDER_MARK))
    if splitting is Splitting.NONE:
        lines = iter([_stripped(text, start, len(text))])
    else:
        lines = (_without_markers(text, *line.span()) for line in _LINE.finditer(text, start))
    for start, end in lines:
        if start == end:
            pass
        elif splitting is Splitting.SENTENCES:
            for cell, cell_end in _cells(text, start, end):
                sentences = yield from find_sentences(text[cell:cell_end], language)
                segments += [(cell + first, cell + last) for first, last in sentences]
        else:
            segments.append((start, end))
        yield
    if whole:
        return (yield from _joined_inside(text, segments, whole))
    return segments


def _cells(text: str, start: int, end: int) -> Iterator[Span]:
    """The cells of a line, which mostly is one: a row of a table begins with a bar; other lines have their entries."""
    if text.startswith("|", start):
        between = [found.span() for found in _BETWEEN_CELLS.finditer(text, start, end)]
    else:
        between = _between_entries(text, start, end)
    for cell_end, next_start in (*between, (end, end)):
        cell = _stripped(text, start, cell_end)
        if cell[0] < cell[1]:
            yield cell
        start = next_start


def _between_entries(text: str, start: int, end: int) -> list[Span]:
    """What is between the entries of a line: tabs; in a form (`Name: ____ Date: ....`) what is to be filled in; outside
    of brackets bars and dots between blanks (`Home | Contact`), but for a single one in a sentence with its final mark
    (`cat a | wc counts.`), and the signs of a path of three and more (`Start > Products > Shoes`), unless it ends like
    a sentence."""
    if not _HAS_SIGN.search(text, start, end):
        return []
    always: list[Span] = []
    bars: list[Span] = []
    steps: list[Span] = []
    depth = 0  # in brackets
    for match in _BETWEEN_ENTRIES.finditer(text, start, end):
        kind = match.lastgroup
        if kind == "opening":
            depth += 1
        elif kind == "closing":
            depth = max(depth - 1, 0)
        elif kind == "always":
            always.append(match.span())
        elif not depth:
            (bars if kind == "bar" else steps).append(match.span())
    if text[end - 1] in _FINAL_MARKS:
        bars, steps = bars if len(bars) > 1 else [], []
    return sorted([*always, *bars, *(steps if len(steps) > 1 else ())])


def lay_out(content: str, language: str, splitting: Splitting, protected: Sequence[Protected]) -> Steps[Layout]:
    """A plain content as what is written as it is and what is translated, in order.

    protected: in order, disjoint, in code points of the content. Each is in the segment that it touches, or else
        remains in the text between two.
    """
    inner: list[Protected] = []
    for span in protected:
        trimmed = _trimmed(span, content)
        if trimmed.start < trimmed.end:
            inner.append(trimmed)
        yield
    layout: Layout = []
    position = 0
    following = 0  # of the protected texts
    for start, end in (yield from find_segments(content, language, splitting, inner)):
        if start > position:
            layout.append(content[position:start])
        own: list[Protected] = []
        while following < len(inner) and inner[following].start < end:
            span = inner[following]
            if span.start >= start:
                own.append(Protected(span.start - start, span.end - start, span.literal))
            following += 1
            yield
        layout.append(Segment(content[start:end], range(start, end + 1), tuple(own)))
        position = end
        yield
    if position < len(content):
        layout.append(content[position:])
    return layout


def cut(segment: Segment, count_tokens: Callable[[str], int], max_tokens: int) -> Steps[list[Segment]]:
    """A segment as parts of at most `max_tokens` each, in order, without the blanks between them. Itself if it fits.

    Every part ends at a clause, else at a word, else at a whole character, and outside of what is protected, where that
    is possible. Only a part of one code point may have more tokens than the limit.

    count_tokens: takes time that grows with the text. For n characters it is called on O(n log n).
    """
    text = segment.text
    spans = [span for span in segment.protected if span.start < span.end]
    parts: list[Span] = []
    start, size = 0, 4 * max_tokens  # a token has about four characters
    while start < len(text):
        limit = yield from _longest_fit(text, start, size, count_tokens, max_tokens)
        size = limit - start
        end = limit if limit == len(text) else _place_to_cut(text, start, limit, spans)
        # Of two beginnings of a text the shorter may have more tokens, as where it ends inside a word.
        while end != limit and end - start > 1 and count_tokens(text[start:end]) > max_tokens:
            yield
            end = _place_to_cut(text, start, start + (end - start) * 3 // 4, spans)
        yield
        parts.append((start, end))
        start = _skip_blanks(text, end)
    return [segment] if len(parts) <= 1 else (yield from segment.parts(parts))


def _longest_fit(text: str, start: int, size: int, count_tokens: Callable[[str], int], max_tokens: int) -> Steps[int]:
    """Where a part ends that has as many tokens as may be, or up to an eighth less: looked for from `size` characters
    on, so that parts that are about as long as the last one take two or three countings."""
    longest = len(text) - start
    fits, exceeds, is_full = 0, longest + 1, False
    size = max(1, min(size, longest))
    while exceeds - fits > 1:
        word_end = _WORD_END.search(text, start + size, start + min(size + _LONG_WORD, exceeds))
        size = word_end.start() - start if word_end else size
        num_tokens = count_tokens(text[start : start + size])
        yield
        if num_tokens > max_tokens:
            exceeds = size
        else:
            fits, is_full = size, num_tokens * 8 >= max_tokens * 7
        is_near_the_end = exceeds > longest and longest - size <= max(size // 8, _LONG_WORD)
        if fits == longest or (is_full and not is_near_the_end):
            break
        expected = size * (max_tokens * 15 // 16) // max(num_tokens, 1)
        if is_near_the_end:
            size = longest
        elif exceeds > longest:
            size = min(max(expected, size + 1), 2 * size, longest)
        else:
            margin = max((exceeds - fits) // 8, 1)
            size = min(max(expected, fits + margin), exceeds - margin)
    return start + max(fits, 1)


def _place_to_cut(text: str, start: int, limit: int, spans: Sequence[Protected]) -> int:
    """Where a part of a text ends best, behind `start` and at `limit` at the latest.

    spans: protected texts, in order, disjoint.
    """
    least = (limit - start) // 4  # characters of either part
    latest = min(limit, len(text) - least)
    choices = (
        (match.end() for match in _CLAUSE.finditer(text, start + least, latest + 1)),
        (match.start() for match in _WORD_END.finditer(text, start + least, latest + 1)),
        (match.start() for match in _WORD_END.finditer(text, start + 1, limit + 1)),
    )
    for choice in choices:
        for end in reversed(list(choice)):
            if end <= limit and _is_character_end(text, end) and not _is_inside(end, _skip_blanks(text, end), spans):
                return end
    characters = [match.end() for match in _CHARACTER.finditer(text, start, limit + 1)]
    whole = [end for end in characters if end <= limit]
    end = next((end for end in reversed(whole) if not _is_inside(end, end, spans)), whole[-1] if whole else limit)
    return start + len(text[start:end].rstrip())


def _is_character_end(text: str, position: int) -> bool:
    """Whether what a part ends with, or the blanks behind it, have no accent upon them."""
    following = _skip_blanks(text, position)
    character = _CHARACTER.match(text, following - 1, following + 1)
    return character is not None and character.end() == following


def _skip_blanks(text: str, position: int) -> int:
    """Where the next character that is no white space is."""
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _is_inside(end: int, start: int, spans: Sequence[Protected]) -> bool:
    """Whether a part that ends at `end` or the next one, which begins at `start`, cuts one of the spans."""
    index = bisect_left(spans, start, key=attrgetter("start"))
    return index > 0 and spans[index - 1].end > end


def _joined_inside(text: str, segments: list[Span], whole: Sequence[Protected]) -> Steps[list[Span]]:
    """The segments, with those that meet inside a span joined, and extended to the ends of a span that they touch."""
    joined: list[Span] = []
    following = 0
    for span in whole:
        start, end, _ = _trimmed(span, text)
        while following < len(segments) and segments[following][1] <= start:
            joined.append(segments[following])
            following += 1
        touched = [joined.pop()] if joined and joined[-1][1] > start else []
        while following < len(segments) and segments[following][0] < end:
            touched.append(segments[following])
            following += 1
        if touched:
            joined.append((min(start, touched[0][0]), max(end, touched[-1][1])))
        yield
    return joined + segments[following:]


def _trimmed(span: Protected, text: str) -> Protected:
    """A protected text without the white space at its ends, which is written as it is anyway; of white space alone, an
    empty one."""
    own = text[span.start : span.end]
    if own == own.strip():
        return span
    start, end = _stripped(text, span.start, span.end)
    return Protected(start, end, text[start:end] if span.literal == own else span.literal)


def _without_markers(text: str, start: int, end: int) -> Span:
    """Where the content of a line begins and ends."""
    start, end = _stripped(text, start, end)
    lead = _LEAD.match(text, start, end)
    return (lead.end() if lead else start), end


def _stripped(text: str, start: int, end: int) -> Span:
    """A part of a text without the white space at its ends."""
    part = text[start:end]
    inner = part.strip()
    start += len(part) - len(part.lstrip())
    return start, start + len(inner)
