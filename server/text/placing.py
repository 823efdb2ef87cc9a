"""Puts what no model may touch back into the translation of a segment: protected spans and the tags of elements."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.text.alignment import Aligned, Float32, Int64, Span, align, words
from server.text.blanks import blank_before, blank_behind
from server.text.gaps import Group, gaps_of, groups_of
from server.text.html_tokens import escape, is_lone_tag
from server.text.segment import Element, Protected, Segment
from server.text.steps import Steps
from server.text.tags import Items, Tags, place_tags

_ITEMS_A_STEP = 64
_CHARACTERS_A_STEP = 1000


@dataclass(frozen=True)
class Translated:
    """A segment's translation without what was taken out of the segment; spans are (start, end) in code points."""

    segment: Segment
    source: str
    """What the model read: the segment's text without the protected spans."""
    origins: Sequence[int]
    """For each code point of the source, and for its end, where it is in the segment's text, ascending."""
    protected: Sequence[tuple[int, Protected]]
    """Each protected span, in order, and where in the source it stood."""
    elements: Sequence[Element]
    """In the order of their opening tags."""
    output: str
    """What the model wrote."""
    source_tokens: Sequence[Span] = ()
    """Where each token is in the source, in order; with or without the blank before it; of no length for one that
    writes nothing."""
    output_tokens: Sequence[Span] = ()
    attention: Float32 | None = None
    """Float32 [output tokens, source tokens]; none for models without it."""
    is_upper: bool = False
    """Whether the model's text is written in capitals."""
    num_given: int = 0
    """Code points at the output's beginning that are written as they are, with nothing but tags before or in them."""
    terms: Sequence[Span] = ()
    """Parts of the output that nothing but tags goes into."""


@dataclass(frozen=True)
class Placed:
    """A segment's translation with everything in its place."""

    text: str
    offsets: Sequence[int]
    """For each code point of the model's output, and for its end, where it is in the text, ascending."""
    spans: tuple[Span, ...]
    """Where each protected span is in the text, in their order."""


def place(translated: Translated) -> Steps[Placed]:
    """Put protected spans and tags where they belong, by the words that stood around them and in them.

    A protected span comes between two words, where fewest words are on another side of it than in the source. Each is
    in the text once, in their order, and so are the output's words and the tags.
    """
    output = translated.output
    is_html, is_upper = translated.segment.is_html, translated.is_upper
    if not (translated.protected or translated.elements or is_html or is_upper):
        return Placed(output, range(len(output) + 1), ())
    written, ends = output, np.arange(len(output) + 1)
    if is_html or is_upper:
        written, ends = yield from _written(output, is_html, translated.num_given if is_upper else len(output))
    if not (translated.protected or translated.elements):
        return Placed(written, ends.tolist(), ())
    source_words = yield from words(translated.source)
    output_words = yield from words(output)
    source_words, output_words = yield from _cut_at_spans(translated, source_words, output_words)
    alignment = yield from align(
        translated.source,
        source_words,
        output,
        output_words,
        translated.source_tokens,
        translated.output_tokens,
        translated.attention,
    )
    aligned = Aligned(translated.source, source_words, output, output_words, alignment.best, alignment.shares)
    groups = yield from groups_of(translated.protected, source_words, translated.segment.text)
    num_given_words = bisect.bisect_left(output_words, (translated.num_given,))
    closed: list[int] = []
    for start, end in translated.terms:
        closed += range(bisect.bisect_left(output_words, (start + 1,)), bisect.bisect_left(output_words, (end,)))
        yield
    gaps = yield from gaps_of(groups, aligned, num_given_words, closed)
    order = _ordered(groups, gaps, len(output_words))
    yield
    items = yield from _items(translated, aligned, order)
    tags = yield from place_tags(translated.elements, items, translated.segment.text)
    return (yield from _Writer(translated, aligned, written, ends).write(order, groups, gaps, tags))


def _written(output: str, is_html: bool, upper_from: int) -> Steps[tuple[str, Int64]]:
    """The model's text as it is written, in capitals from a code point on, and where in that each of its code points,
    and its end, is."""
    parts: list[str] = []
    for at, character in enumerate(output):
        part = character.upper() if at >= upper_from else character
        parts.append(escape(part) if is_html else part)
        if at % _CHARACTERS_A_STEP == _CHARACTERS_A_STEP - 1:
            yield
    return "".join(parts), np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])


def _cut_at_spans(
    translated: Translated, source_words: list[Span], output_words: list[Span]
) -> Steps[tuple[list[Span], list[Span]]]:
    """The words; those that had a protected span inside are cut there, and so are copies of them."""
    positions = np.array([position for position, _ in translated.protected], np.int64)
    cuts_of_words: dict[int, set[int]] = {}
    starts = np.array([start for start, _ in source_words], np.int64)
    holders = starts.searchsorted(positions, "right") - 1
    for position, holder in zip(positions.tolist(), holders.tolist(), strict=True):
        start, end = source_words[holder] if holder >= 0 else (0, 0)
        if start < position < end:
            cuts_of_words.setdefault(holder, set()).add(position - start)
    if not cuts_of_words:
        return source_words, output_words
    yield
    cuts: dict[str, set[int]] = {}
    for holder, cuts_of_word in cuts_of_words.items():
        start, end = source_words[holder]
        cuts.setdefault(translated.source[start:end], set()).update(cuts_of_word)
    source_words = _cut(translated.source, source_words, cuts)
    yield
    output_words = _cut(translated.output, output_words, cuts)
    yield
    return source_words, output_words


def _cut(text: str, words: list[Span], cuts: dict[str, set[int]]) -> list[Span]:
    parts: list[Span] = []
    for start, end in words:
        bounds = [start, *(start + cut for cut in sorted(cuts.get(text[start:end], ()))), end]
        parts.extend(itertools.pairwise(bounds))
    return parts


def _ordered(groups: Sequence[Group], gaps: Sequence[int], num_words: int) -> list[int]:
    """The items of the translation, in order: indices of output words, and those of protected spans, inverted."""
    order: list[int] = []
    word = 0
    for group, gap in zip(groups, gaps, strict=True):
        order.extend(range(word, gap))
        order.extend(~span for span in range(group.first, group.end))
        word = gap
    order.extend(range(word, num_words))
    return order


def _items(translated: Translated, aligned: Aligned, order: Sequence[int]) -> Steps[Items]:
    """The places in the segment's text of what the items translate; all of it for a word that translates nothing."""
    origins, protected = translated.origins, translated.protected
    of_source: list[Span] = []
    for start, end in aligned.source_words:
        of_source.append((origins[start], origins[end - 1]))
        if len(of_source) % _CHARACTERS_A_STEP == 0:
            yield
    of_source.append((0, len(translated.segment.text) - 1))  # index -1
    yield
    places: list[Span] = []
    alignment = aligned.alignment.tolist()
    for number, item in enumerate(order):
        if number % _CHARACTERS_A_STEP == _CHARACTERS_A_STEP - 1:
            yield
        span = protected[~item][1] if item < 0 else None
        places.append((span.start, span.end - 1) if span is not None else of_source[alignment[item]])
    yield
    firsts_and_lasts = np.array(places, np.int64).reshape(-1, 2)
    shares = np.zeros((len(order), len(aligned.source_words)), np.float32)
    if translated.elements:
        shares[np.array(order, np.int64) >= 0] = aligned.shares  # of the words, in their order
    yield
    lone_tags: list[int] = []
    if translated.elements:
        for number, item in enumerate(order):
            has_text = item >= 0 or places[number][0] <= places[number][1]
            if not has_text and (yield from is_lone_tag(protected[~item][1].literal)):
                lone_tags.append(number)
    of_words = np.array(of_source[:-1], np.int64).reshape(-1, 2)
    return Items(firsts_and_lasts[:, 0], firsts_and_lasts[:, 1], of_words, shares, lone_tags)


class _Writer:
    """Writes a translation's items, with what is between them."""

    def __init__(self, translated: Translated, aligned: Aligned, written: str, ends: Int64) -> None:
        """written, ends: as `_written` gives them."""
        self._translated = translated
        self._aligned = aligned
        self._written = written
        self._ends = ends
        self._offsets = np.zeros(len(ends), np.int64)
        self._parts: list[str] = []
        self._length = 0
        self._next = 0  # the first code point of the output that is not written

    def write(self, order: Sequence[int], groups: Sequence[Group], gaps: Sequence[int], tags: Tags) -> Steps[Placed]:
        between = yield from self._between(groups, gaps, len(order))
        spans: list[Span] = []
        for number in range(len(order) + 1):
            if number % _ITEMS_A_STEP == _ITEMS_A_STEP - 1:
                yield
            self._append(tags.before_blank[number])
            self._write_between(between[number], number, order)
            self._append(tags.behind_blank[number])
            if number == len(order):
                break
            item = order[number]
            if item >= 0:
                self._copy(self._aligned.output_words[item][1])
            else:
                start = self._length
                self._append(self._translated.protected[~item][1].literal)
                spans.append((start, self._length))
        return Placed("".join(self._parts), self._offsets.tolist(), tuple(spans))

    def _between(self, groups: Sequence[Group], gaps: Sequence[int], num_items: int) -> Steps[list[str | None]]:
        """What is written before each item and behind the last one; None for what the model wrote there."""
        protected, segment = self._translated.protected, self._translated.segment
        between: list[str | None] = [None] * (num_items + 1)
        for number, (group, gap) in enumerate(zip(groups, gaps, strict=True)):
            is_behind_another = number > 0 and gaps[number - 1] == gap
            between[gap + group.first] = " " if is_behind_another else blank_before(group, gap, self._aligned)
            for span in range(group.first + 1, group.end):
                if span % _ITEMS_A_STEP == 0:
                    yield
                inner = segment.text[protected[span - 1][1].end : protected[span][1].start]
                between[gap + span] = escape(inner) if segment.is_html else inner
            between[gap + group.end] = blank_behind(group, gap, self._aligned)
            if number % _ITEMS_A_STEP == _ITEMS_A_STEP - 1:
                yield
        return between

    def _write_between(self, between: str | None, number: int, order: Sequence[int]) -> None:
        if number > 0 and order[number - 1] < 0:
            self._append(between or "")
            return
        output_words = self._aligned.output_words
        word = order[number - 1] + 1 if number else 0
        end = output_words[word][0] if word < len(output_words) else len(self._translated.output)
        if between is None:
            self._copy(end)
        else:  # white space of the model's that is written in another way
            num_given = min(self._translated.num_given, end)
            if self._next < num_given:
                self._copy(num_given)
                between = between if self._translated.output[num_given - 1] != " " else ""
            self._offsets[self._next : end] = self._length
            self._next = end
        if end == len(self._translated.output):
            self._offsets[end] = self._length
        self._append(between or "")

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _copy(self, end: int) -> None:
        """Write the output up to a code point."""
        start, ends = self._next, self._ends
        self._offsets[start:end] = ends[start:end] - ends[start] + self._length
        self._append(self._written[ends[start] : ends[end]])
        self._next = end
