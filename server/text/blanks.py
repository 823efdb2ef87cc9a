"""The white space around a protected span in a translation."""

from server.text.alignment import Aligned, is_single, kind
from server.text.gaps import Group

_OPENING = frozenset("([{«‹“„‘¿¡（【「『")
_CLOSING = frozenset(")]}»›”’.,;:!?…%）】」』。，、；：！？")
_AMBIGUOUS = frozenset("\"'")
_WITH_BLANK_BEHIND = frozenset("«‹")
_WITH_BLANK_BEFORE = frozenset("»›?!:;")
"""Marks that some languages, as French, write with a blank on that side."""
_FIRST_WIDE = 0x3000
"""Of marks from this code point on, a blank is a part."""


def blank_before(group: Group, gap: int, aligned: Aligned) -> str:
    """What is written between the output word before the gap and a group of protected spans in it: the segment's own
    white space where it stands beside the translation of the same word, else as marks and words want it."""
    return _blank(group, gap, gap - 1, group.num_before - 1, aligned)


def blank_behind(group: Group, gap: int, aligned: Aligned) -> str:
    """What is written between a group and the output word behind the gap."""
    return _blank(group, gap, gap, group.num_before, aligned)


def _blank(group: Group, gap: int, word: int, source_word: int, aligned: Aligned) -> str:
    """word, source_word: the group's neighbours, on the same side; either may be none."""
    text, source_text = aligned.output_word(word), aligned.source_word(source_word)
    if not text:
        return ""
    is_before = word < gap
    if group.hugs_before if is_before else group.hugs_behind:
        return ""
    blank = group.blank_before if is_before else group.blank_behind
    end = -1 if is_before else 0
    is_same_kind = source_text != "" and kind(source_text) == kind(text)
    if kind(text) != "":
        return _blank_beside_mark(group, gap, word, aligned, blank, is_same_kind=is_same_kind)
    is_same = is_same_kind and aligned.alignment[word] == source_word
    if is_same and blank:
        return blank
    if is_single(text[end]):
        return " " if blank else ""
    return "" if is_same and not is_single(source_text[end]) else " "


def _blank_beside_mark(group: Group, gap: int, word: int, aligned: Aligned, blank: str, *, is_same_kind: bool) -> str:
    """blank: what is in the segment on that side. is_same_kind: whether that was beside such a mark, too."""
    is_before = word < gap
    mark = aligned.output_word(word)[0]
    between = aligned.output_gap(gap)
    wants_blank = mark in (_WITH_BLANK_BEHIND if is_before else _WITH_BLANK_BEFORE)
    if wants_blank and between.isspace() and not _is_copied(group, gap, aligned):
        return between
    if is_same_kind:
        return blank
    if _hugs(mark, word, aligned, is_before=is_before):
        return ""
    is_turned_away = mark in (_CLOSING if is_before else _OPENING) and ord(mark) < _FIRST_WIDE
    return " " if blank or between or is_turned_away else ""


def _is_copied(group: Group, gap: int, aligned: Aligned) -> bool:
    """Whether the gap, with the words on both sides of it, is as it was in the source."""
    at = group.num_before
    return (
        aligned.source_gap(at).isspace()
        and aligned.source_word(at - 1) == aligned.output_word(gap - 1)
        and aligned.source_word(at) == aligned.output_word(gap)
    )


def _hugs(mark: str, word: int, aligned: Aligned, *, is_before: bool) -> bool:
    """Whether a mark is written together with what is on the group's side of it."""
    if mark not in _AMBIGUOUS:
        return mark in (_OPENING if is_before else _CLOSING)
    outer = aligned.output_gap(word) if is_before else aligned.output_gap(word + 1)
    is_outermost = word == 0 if is_before else word + 1 == len(aligned.output_words)
    return bool(outer) or is_outermost
