"""Where the sentences of a line begin and end.

The rules and the abbreviations of each language are those of the package `sentencex` of the Wikimedia Foundation, which
rather leaves two sentences together than cuts one. It is asked for one line at a time, without the line's break; where
the pieces that it returns are not the line again, the line stays whole. Of the boundaries that it finds those count
that stand behind the end of a sentence, before a word, and not behind the initials of a name.
"""

from itertools import pairwise

import regex
import sentencex

from server.text.steps import Steps

_MARKS = r"\p{Sentence_Break=STerm}\p{Sentence_Break=ATerm}。｡…;\u037E"
"""What ends a sentence in some language: Unicode's characters for it (UAX #29), which sentencex has as well, and the
question mark of Greek. A line that has none before its last word is one sentence."""
_END = regex.compile(rf"[{_MARKS}]")
_WORD = regex.compile(r"[\p{L}\p{N}]")
_LAST_MARK_OR_WORD = regex.compile(rf"(?r)[{_MARKS}\p{{L}}\p{{N}}]")
_REFERENCE = regex.compile(r"(?:\s*\[\p{N}+\])+\s*\Z")
_INITIALS = regex.compile(r"[\p{Ps}\p{Pi}\"']*(?:\p{Lu}\p{M}*\.-?)+")

_FULL_STOPS = str.maketrans("…", ".")
"""sentencex does not take an ellipsis that is one character for an end."""

_WINDOW = 2_000
"""Characters of a line that sentencex gets at once: it takes time that grows with the quotations times the ends."""
_TAIL = 80
"""Characters before a boundary in which its last two words are looked for."""


def find_sentences(line: str, language: str) -> Steps[list[tuple[int, int]]]:
    """Where each sentence of a line begins and ends, in code points: in order, disjoint, none empty, and white space
    only between them.

    line: without line breaks, and without white space at its ends.
    language: BCP 47 code; of an unknown language the rules of English are taken.
    """
    end = _END.search(line)
    if end is None or _WORD.search(line, end.end()) is None:
        return [(0, len(line))] if line else []
    starts = yield from _ask(line, language)
    return (yield from _joined(line, starts))


def _ask(line: str, language: str) -> Steps[list[int]]:
    """Where sentencex lets a sentence begin, but for the first."""
    code = language.partition("-")[0].lower()
    text = line.translate(_FULL_STOPS)
    starts: list[int] = []
    position = 0
    while position < len(text):
        window = text[position : position + _WINDOW]
        is_last = position + len(window) == len(text)
        pieces = sentencex.segment(code, window)
        yield
        if "".join(pieces) != window:
            pieces = [window]
        start = position
        for piece in pieces[:-1]:
            start += len(piece)
            starts.append(start)
        if is_last:
            break
        # The last piece may go on behind the window. It is looked at again, with what follows, if that gets on.
        is_far = start - position >= _WINDOW // 2
        position = start if is_far else max(start, position + (window.rfind(" ") + 1 or _WINDOW))
    return starts


def _joined(line: str, starts: list[int]) -> Steps[list[tuple[int, int]]]:
    """The sentences between the starts, those joined that are none by themselves."""
    sentences: list[tuple[int, int]] = []
    begin = 0
    for start, following in pairwise([*starts, len(line)]):
        has_word = _WORD.search(line, start, following) is not None
        if has_word and _is_ended(line, begin, start) and not _ends_with_initials(line, begin, start):
            sentences.append((begin, begin + len(line[begin:start].rstrip())))
            begin = start
        yield
    sentences.append((begin, len(line)))
    return sentences


def _is_ended(line: str, begin: int, end: int) -> bool:
    """Whether no word follows the last mark that ends a sentence; numbers of footnotes in brackets are no words."""
    reference = _REFERENCE.search(line, max(begin, end - _TAIL), end)
    last = _LAST_MARK_OR_WORD.search(line, begin, reference.start() if reference else end)
    return last is not None and _END.match(last.group()) is not None


def _ends_with_initials(line: str, begin: int, end: int) -> bool:
    """Whether the last word is an initial that belongs to a name: it stands alone, or behind another part of the name.
    (`plan B.` does end a sentence.)"""
    words = line[max(begin, end - _TAIL) : end].split()
    if not words or not _INITIALS.fullmatch(words[-1]):
        return False
    return len(words) == 1 or words[-2][0].isupper() or words[-2].endswith(".")
