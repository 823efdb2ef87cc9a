"""The gaps between the words of a translation that the protected spans of its source go into.

Gap n is before the word with index n; the last one is behind the last word.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.text.alignment import Aligned, Float64, Int64, Span, is_single
from server.text.protected import is_markup
from server.text.segment import Protected
from server.text.steps import Steps

_GROUPS_A_STEP = 8
_SPANS_A_STEP = 100
_MAX_GROUPS_TOGETHER = 256
"""Groups whose gaps are chosen together; limits the memory that this takes."""
_CROSSINGS_OF_A_TORN_WORD = 4
"""Crossings that are as bad as taking a span from the word or mark that it is written together with."""
_MARKS_AT_THE_END = frozenset(".!?:;,…。！？：；，、")
_CLOSING = frozenset("\"'”’»›)]}）】」』")


@dataclass(frozen=True)
class Group:
    """Protected spans that have no word of the source between them."""

    first: int
    """Index of its first protected span."""
    end: int
    num_before: int
    """Words of the source before it."""
    blank_before: str
    """The white space before it in the segment's text."""
    blank_behind: str
    hugs_before: bool = False
    """Whether it is markup that closes what is before it: nothing is between."""
    hugs_behind: bool = False
    """Whether it is markup that opens what is behind it."""


def gap_costs(keys: Int64, point: int, position: float) -> Float64:
    """What it costs to put something into each gap between items, float64 [items + 1]: the number of crossings times
    items + 2, then the distance from the place behind what translates the nearest thing before it, then, below 1, the
    distance by relative position.

    keys: where the source of each item stood. point: what has a smaller key stood before it. position: its own place
    in the source, from 0 to 1.
    """
    num_items = len(keys)
    is_before = keys < point
    num_before = np.concatenate([[0], np.cumsum(is_before)])
    gaps = np.arange(num_items + 1)
    num_crossings = (gaps - num_before) + (num_before[-1] - num_before)
    anchor = 0
    if num_before[-1]:
        nearest = keys[is_before].max()
        anchor = int(np.flatnonzero(keys == nearest)[-1]) + 1
    from_position = np.abs(gaps / max(num_items, 1) - position) / 2
    costs: Float64 = num_crossings * (num_items + 2.0) + np.abs(gaps - anchor) + from_position
    return costs


def groups_of(
    protected: Sequence[tuple[int, Protected]], source_words: Sequence[Span], text: str
) -> Steps[list[Group]]:
    """The groups of a segment's protected spans, in order.

    protected: each with its position in the source. text: the segment's.
    """
    ends = np.array([end for _, end in source_words], np.int64)
    nums_before = ends.searchsorted([position for position, _ in protected], "right").tolist()
    bounds = [0, *(at for at in range(1, len(protected)) if nums_before[at] != nums_before[at - 1]), len(protected)]
    groups: list[Group] = []
    for first, end in itertools.pairwise(bounds):
        if first == end:
            continue
        if len(groups) % _SPANS_A_STEP == _SPANS_A_STEP - 1:
            yield
        before = text[protected[first - 1][1].end if first else 0 : protected[first][1].start]
        behind = text[protected[end - 1][1].end : protected[end][1].start if end < len(protected) else len(text)]
        blank_before, blank_behind = before[len(before.rstrip()) :], behind[: len(behind) - len(behind.lstrip())]
        hugs = all(is_markup(span.literal) for _, span in protected[first:end])
        hugs_before, hugs_behind = hugs and _ends_in_word(before), hugs and _ends_in_word(behind[::-1])
        groups.append(
            Group(
                first,
                end,
                nums_before[first],
                blank_before,
                blank_behind,
                hugs_before and not hugs_behind,
                hugs_behind and not hugs_before,
            )
        )
    return groups


def _ends_in_word(text: str) -> bool:
    return text[-1:].isalnum()


def gaps_of(groups: Sequence[Group], aligned: Aligned, lowest: int = 0, closed: Sequence[int] = ()) -> Steps[list[int]]:
    """For each group the number of output words before it, ascending from `lowest` on and none of `closed`: of all such
    choices one that costs least. The last gap is not closed."""
    source_end = _final_marks(aligned.source, aligned.source_words)
    output_end = _final_marks(aligned.output, aligned.output_words)
    num_output = len(aligned.output_words)
    fixed = {source_end: max(output_end, lowest)} if output_end < num_output else {}
    fixed |= {len(aligned.source_words): num_output, 0: lowest}
    is_open = np.ones(num_output + 1, bool)
    is_open[list(closed)] = False
    fixed = {place: gap + int(is_open[gap:].argmax()) for place, gap in fixed.items()}
    yield
    gaps: list[int] = []
    for start in range(0, len(groups), _MAX_GROUPS_TOGETHER):
        costs: list[Float64] = []
        for number, group in enumerate(groups[start : start + _MAX_GROUPS_TOGETHER]):
            costs.append(np.where(is_open, _costs(group, aligned, fixed.get(group.num_before)), np.inf))
            if number % _GROUPS_A_STEP == _GROUPS_A_STEP - 1:
                yield
        gaps += yield from _ascending(costs, gaps[-1] if gaps else lowest)
    return gaps


def _costs(group: Group, aligned: Aligned, fixed: int | None) -> Float64:
    """What each gap costs, float64 [output words + 1]; `fixed`: the only one that may be."""
    num_source, num_output = len(aligned.source_words), len(aligned.output_words)
    if fixed is not None:
        only = np.full(num_output + 1, np.inf)
        only[fixed] = 0.0
        return only
    costs = gap_costs(aligned.alignment, group.num_before, group.num_before / num_source)
    torn = _CROSSINGS_OF_A_TORN_WORD * (num_output + 2.0)
    if not group.blank_before and not is_single(aligned.source_word(group.num_before - 1)[-1]):
        costs[1:][_translations(group.num_before - 1, aligned)] -= torn
    if not group.blank_behind and not is_single(aligned.source_word(group.num_before)[0]):
        costs[:-1][_translations(group.num_before, aligned)] -= torn
    return costs


def _translations(source_word: int, aligned: Aligned) -> list[int]:
    """The output words that are aligned to a source word; those that are copies of it, if any is."""
    translations: list[int] = np.flatnonzero(aligned.alignment == source_word).tolist()
    text = aligned.source_word(source_word)
    return [word for word in translations if aligned.output_word(word) == text] or translations


def _ascending(costs: Sequence[Float64], lowest: int) -> Steps[list[int]]:
    """For each row of costs an index, ascending from `lowest` on, so that the costs' sum is least."""
    sums: list[Float64] = []
    for number, row in enumerate(costs):
        sums.append(row[lowest:] + (np.minimum.accumulate(sums[-1]) if sums else 0.0))
        if number % _GROUPS_A_STEP == _GROUPS_A_STEP - 1:
            yield
    yield
    chosen: list[int] = []
    end = None
    for row in reversed(sums):
        index = int(row[:end].argmin())
        chosen.append(lowest + index)
        end = index + 1
    yield
    return chosen[::-1]


def _final_marks(text: str, words: Sequence[Span]) -> int:
    """The index of the first of the marks that end a sentence, with quotation marks and brackets behind them; the
    number of words if none ends it."""
    at = len(words)
    while at > 0 and text[words[at - 1][0]] in _CLOSING:
        at -= 1
    if at == 0 or text[words[at - 1][0]] not in _MARKS_AT_THE_END:
        return len(words)
    while at > 0 and text[words[at - 1][0]] in _MARKS_AT_THE_END:
        at -= 1
    return at
