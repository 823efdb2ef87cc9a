"""Contents of several test sentences, and whether they are translated as their sentences are."""

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from seq2serve import Translation

MAX_JOINED = 40
"""Most sentences of a content."""

_END_MARK = re.compile(r"[.!?][\"')]*$")

Group = Sequence[int]
"""The test sentences of a content, in their order."""


class Comparison(NamedTuple):
    """A content of several sentences beside those sentences alone."""

    is_equal: bool
    """Whether its translation is that of its sentences, joined."""
    num_split_differently: int
    """Sentences of it that are not segments of it as they are of themselves."""


def ended(sentences: Sequence[str]) -> list[int]:
    """Which sentences end in a mark. Where others end in a content of several, nothing says."""
    return [index for index, sentence in enumerate(sentences) if _END_MARK.search(sentence)]


def groups(indices: Sequence[int], size: int) -> list[Group]:
    """Sentences in their order, `size` to a content; what is left at the end is left out."""
    return [indices[start : start + size] for start in range(0, len(indices) - size + 1, size)]


def sampled_groups(indices: Sequence[int], num_groups: int, random: Random) -> list[Group]:
    """Stretches of up to `MAX_JOINED` sentences, and of six at least where there are so many."""
    found = []
    for _ in range(num_groups):
        size = min(random.randint(6, MAX_JOINED), len(indices))
        start = random.randint(0, len(indices) - size)
        found.append(indices[start : start + size])
    return found


def join(texts: Sequence[str], group: Group) -> str:
    return " ".join(texts[index] for index in group)


def join_references(references: Sequence[Sequence[str]], group: Group) -> list[str]:
    """As many texts as the sentence with most references has; a sentence with fewer repeats its own."""
    most = max(len(references[index]) for index in group)
    return [" ".join(references[index][n % len(references[index])] for index in group) for n in range(most)]


def compare(whole: Translation, sentences: Sequence[str], alone: Sequence[Translation], group: Group) -> Comparison:
    """`alone`: the translation of each of the test set's sentences."""
    found = {(segment.source_start, segment.source_end) for segment in whole.segments}
    num_split_differently, num_expected, position = 0, 0, 0
    for index in group:
        expected = {
            (position + segment.source_start, position + segment.source_end) for segment in alone[index].segments
        }
        num_split_differently += not expected <= found
        num_expected += len(expected)
        position += len(sentences[index]) + 1
    texts = [translation.translated_text for translation in alone]
    return Comparison(whole.translated_text == join(texts, group), num_split_differently)


def segment_fault(content: str, translation: Translation) -> str:
    """Whether the segments of a plain text's answer are what the contract says: in order, with the same text between
    them in the content and in the translation. Empty if so."""
    source_end = translation_end = 0
    for segment in translation.segments:
        before = content[source_end : segment.source_start]
        after = translation.translated_text[translation_end : segment.translation_start]
        if segment.source_start < source_end or segment.translation_start < translation_end or before != after:
            return f"before the segment at {segment.source_start} there is {before!r}, in the translation {after!r}"
        source_end, translation_end = segment.source_end, segment.translation_end
    before, after = content[source_end:], translation.translated_text[translation_end:]
    return "" if before == after else f"behind the last segment there is {before!r}, in the translation {after!r}"
