"""Where the sentences of a line begin and end.

The rules and the abbreviations of each language are those of the package `sentencex` of the Wikimedia Foundation, which
rather leaves two sentences together than cuts one. It is asked for one line at a time, without the line's break; where
the pieces that it returns are not the line again, the line stays whole. Of the boundaries that it finds those count
that stand behind the end of a sentence, before a word, and not behind the initials of a name.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

import regex
import sentencex

from server.text.steps import Steps

_MARKS = r"\p{Sentence_Break=STerm}\p{Sentence_Break=ATerm}。｡…;\u037E"
"""What ends a sentence in some language: Unicode's characters for it (UAX #29), which sentencex has as well, and the
question mark of Greek."""
_END = regex.compile(rf"[{_MARKS}]")
_COMMON_MARKS = frozenset(".!?。")
_WORD = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_LAST_MARK_OR_WORD = regex.compile(rf"(?r)[{_MARKS}\p{{L}}\p{{N}}]")
_REFERENCE = regex.compile(r"(?:\s*\[\p{N}+\])+\s*\Z")
_INITIALS = regex.compile(r"[\p{Ps}\p{Pi}\"']*(?:\p{Lu}\p{M}*\.-?)+")
_ABBREVIATION = regex.compile(r"(?:\p{L}{1,3}\.)+\p{L}{1,3}\.|\p{L}\.|\p{N}{1,2}\.|.*(?:\.\.|…)")
"""A last word behind which a small letter begins no sentence."""
_ORDINAL = regex.compile(r"\p{N}{1,2}\.")
_LANGUAGES_WITH_ORDINALS = frozenset(
    [
        *("bs", "cs", "da", "de", "et", "fi", "fo", "hr", "hu", "is"),
        *("lb", "lv", "nb", "nn", "no", "pl", "sk", "sl", "sr", "tr"),
    ]
)
"""Those that write `3.` for third."""
_IN_BRACKETS = regex.compile(
    rf"[(\[（][^()\[\]（）]*[{_MARKS}][\"'”’»]*[)\]）]\s+(?=[\p{{Lu}}\p{{Lo}}\p{{Ps}}\p{{Pi}}\"'¿¡])"
)
"""A sentence in brackets, with what is behind it up to another sentence."""
_ENGLISH_END = regex.compile(
    r"""(?<=[\s"'“‘(])
    (?: me | no | ill | [Mm]ay | miss | fed | con | OK | art(?!\.\s+[IVXLC]+\b) | (?<=\b(?:and|than|am|do|did|or)\ )I )
    \.\s+(?=\p{Lu})""",
    regex.VERBOSE,
)
"""English words that sentencex takes for abbreviations, although they end sentences far more often; not before a
numeral as in `art. IV`."""
_BRACKETS = frozenset("([（")
_QUOTED = frozenset("」』")
_PARTICLES = frozenset("とはがのをにでもやかっへ")
"""Behind a quotation they say in Japanese that its sentence goes on."""
_OPENING = frozenset("'\"“‘«„(")

_BLANKS = [*map(chr, range(32)), "\x7f", *filter(str.isspace, map(chr, range(128, 0x3001)))]
_AS_PLAIN = str.maketrans({"…": ".", **dict.fromkeys(_BLANKS, " ")})
"""What sentencex does not know: an ellipsis that is one character, control characters between sentences, and white
space of more than one byte, at which it fails behind a single letter."""

_WINDOW = 2_000
"""Characters of a line that sentencex gets at once: it takes time that grows with the addresses times the ends."""
_TAIL = 80
"""Characters before a boundary in which its last two words are looked for."""


def find_sentences(line: str, language: str) -> Steps[list[tuple[int, int]]]:
    """Where each sentence of a line begins and ends, in code points: in order, disjoint, none empty, and white space
    only between them.

    line: without line breaks, and without white space at its ends.
    language: BCP 47 code; of an unknown language the rules of English are taken.
    """
    code = language.partition("-")[0].lower()
    starts = yield from _ask(line, code)
    if not starts and line[:1] not in _BRACKETS and (code != "en" or ". " not in line):
        return [(0, len(line))] if line else []
    return (yield from _sentences_between(line, starts, code))


def _ask(line: str, code: str) -> Steps[list[int]]:
    """Where sentencex lets a sentence begin, but for the first."""
    text = line.translate(_AS_PLAIN) if "…" in line or not line.isprintable() else line
    starts: list[int] = []
    position = 0
    while position < len(text):
        window = text[position : position + _WINDOW]
        is_last = position + len(window) == len(text)
        pieces = _segment(code, window)
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


def _segment(code: str, text: str) -> list[str]:
    """A text that sentencex fails at is one piece."""
    try:
        return sentencex.segment(code, text)
    except BaseException as error:  # a panic in Rust's code, whose type has no name to be imported, is no Exception
        if type(error).__name__ != "PanicException":
            raise
        return [text]


def _sentences_between(line: str, starts: list[int], code: str) -> Steps[list[tuple[int, int]]]:
    """The sentences between the starts, without those starts at which none begins."""
    sentences: list[tuple[int, int]] = []
    begin, letter = 0, _next_letter(line, 0)
    for piece, end in pairwise([0, *starts, len(line)]):
        for start in _starts_in(line, piece, end, code):
            # Looked for once, and not from the beginning at each start: a long line may have none.
            if letter < start and _begins_sentence(line, begin, start, end, code):
                sentences.append((begin, begin + len(line[begin:start].rstrip())))
                begin = end - len(line[start:end].lstrip())
                letter = _next_letter(line, begin)
            yield
    sentences.append((begin, len(line)))
    return sentences


def _next_letter(line: str, start: int) -> int:
    found = _LETTER.search(line, start)
    return found.start() if found else len(line)


def _starts_in(line: str, piece: int, end: int, code: str) -> Iterator[int]:
    """The start of a piece, and those inside that sentencex does not find: behind the sentences in brackets that it
    begins with, and behind English words that are no abbreviations."""
    if piece and line[piece - 1] in _OPENING and line[piece - 2].isspace() and line[piece].isalnum():
        piece -= 1  # as in `It rains. 'Tis wet.`
    yield piece
    while bracketed := _IN_BRACKETS.match(line, piece, end):
        piece = bracketed.end()
        yield piece
    if code == "en":
        yield from (match.end() for match in _ENGLISH_END.finditer(line, piece, end))


def _begins_sentence(line: str, begin: int, start: int, end: int, code: str) -> bool:
    """Whether at `start` the sentence that begins at `begin`, and has a letter, has ended, and another one with a word
    follows up to `end`."""
    if start <= begin or not _WORD.search(line, start, end):
        return False
    tail = line[max(begin, start - _TAIL) : start].rstrip()
    if tail[-1:] not in _COMMON_MARKS and not _is_ended(line, begin, start):
        return False
    following = line[start]
    if line[start - 1] in _QUOTED and following in _PARTICLES:
        return False
    words = tail.split()
    last = words[-1] if words else ""
    if line[start - 1] == "." and not (last.islower() and following.isupper()):
        return False  # as in `ASP.NET`, unlike `red.Then`
    if _INITIALS.fullmatch(last) and (len(words) == 1 or code == "fr"):
        return False  # sentencex knows initials, but not those of French: `M. Dupont`
    if _ORDINAL.fullmatch(last) and (code in _LANGUAGES_WITH_ORDINALS or following.isdigit()):
        return False
    return not (following.islower() and _ABBREVIATION.fullmatch(last))


def _is_ended(line: str, begin: int, end: int) -> bool:
    """Whether no word follows the last mark that ends a sentence; numbers of footnotes in brackets are no words."""
    reference = _REFERENCE.search(line, max(begin, end - _TAIL), end)
    last = _LAST_MARK_OR_WORD.search(line, begin, reference.start() if reference else end)
    return last is not None and _END.match(last.group()) is not None
