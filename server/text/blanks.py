"""The white space around a protected span in a translation."""

from server.text.alignment import Aligned, is_single, kind
from server.text.gaps import Group

_OPENING = frozenset("([{«‹“„‘¿¡（【「『")
_CLOSING = frozenset(")]}»›”’.,;:!?…%）】」』。，、；：！？")
_AMBIGUOUS = frozenset("\"'")
_WITH_BLANK_BEHIND = frozenset("«‹")
_WITH_BLANK_BEFORE = frozenset("»›?!:;")
"""Marks that some languages, as French, write with a blank on their inner side."""


def blank_before(group: Group, gap: int, aligned: Aligned) -> str:
    """What is written between the output word before the gap and a group of protected spans in it: the segment's own
    white space where it stands beside the translation of the same word, else as marks and words want it."""
    word, source_word = gap - 1, group.num_before - 1
    if word < 0:
        return ""
    return _blank(
        group, gap, aligned, word, source_word if source_word >= 0 else None, group.blank_before, is_before=True
    )


def blank_behind(group: Group, gap: int, aligned: Aligned) -> str:
    """What is written between a group and the output word behind the gap."""
    word, source_word = gap, group.num_before
    if word == len(aligned.output_words):
        return ""
    num_source = len(aligned.source_words)
    return _blank(
        group,
        gap,
        aligned,
        word,
        source_word if source_word < num_source else None,
        group.blank_behind,
        is_before=False,
    )


def _blank(
    group: Group, gap: int, aligned: Aligned, word: int, source_word: int | None, blank: str, *, is_before: bool
) -> str:
    """word, source_word: the group's neighbours. blank: between group and source word, in the segment."""
    facing = aligned.output_word(word)[-1 if is_before else 0]
    kind_ = kind(aligned.output_word(word))
    is_same = source_word is not None and (
        aligned.alignment[word] == source_word or (kind_ != "" and kind_ == kind(aligned.source_word(source_word)))
    )
    if kind_ == "":
        if is_single(facing):
            return blank if is_same or not blank else " "
        was_single = source_word is not None and is_single(aligned.source_word(source_word)[-1 if is_before else 0])
        return blank if is_same and (blank or not was_single) else " "
    between = aligned.output_gap(gap)
    own = between if between.isspace() and not _is_copied(group, gap, aligned) else ""
    if own and facing in (_WITH_BLANK_BEHIND if is_before else _WITH_BLANK_BEFORE):
        return own
    if is_same:
        return blank
    if _hugs(facing, word, aligned, is_before=is_before):
        return ""
    is_away = facing in (_CLOSING if is_before else _OPENING)
    is_wide = ord(facing) >= 0x3000
    return " " if blank or between or (is_away and not is_wide) else ""


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
