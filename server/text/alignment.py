"""Which word of a source each word of its translation translates, by the model's attention.

A word is letters and digits with apostrophes and hyphens inside; every other visible character is a word by itself, and
so is every letter of a script that is written without blanks.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle.span_pieces import is_reserved
from server.text.steps import Steps

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Span = tuple[int, int]
"""Where something begins and ends in a text, in code points."""

_CHARACTERS_A_STEP = 1000
_WORDS_A_STEP = 16
_TIE = 1e-6
"""Shares of a word's attention that differ by less are equal."""

_LETTER, _SINGLE, _EXTENDING, _BLANK, _MARK = "letter", "single", "extending", "blank", "mark"
_WITHOUT_BLANKS = [
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
]
_JOINERS = frozenset("'’-\N{HYPHEN}\N{NON-BREAKING HYPHEN}")
_BETWEEN_DIGITS = frozenset(".,:")
_SAME_MARKS = {
    **dict.fromkeys("'`“”„‟«»‹›‘’‚「」『』", '"'),
    **dict.fromkeys("‐‑‒–—―", "-"),
    "。": ".",
    "、": ",",
    "،": ",",
    "؟": "?",
    "؛": ";",
    "।": ".",
}
_SYMBOLS = frozenset("&%@#*§")
"""Punctuation by Unicode's categories that words may translate."""


@dataclass(frozen=True)
class Aligned:
    """A source and its translation with their words."""

    source: str
    source_words: Sequence[Span]
    output: str
    output_words: Sequence[Span]
    alignment: Int64
    """For each output word the index of its source word, or -1, int64 [output words]."""
    shares: Float32
    """What each output word attends to, see `Alignment`."""

    def source_word(self, index: int) -> str:
        """The text of a word; empty before the first and behind the last one."""
        return _word(self.source, self.source_words, index)

    def output_word(self, index: int) -> str:
        return _word(self.output, self.output_words, index)

    def source_gap(self, index: int) -> str:
        """What is between a source word and the one before it, or an end of the source."""
        return _gap(self.source, self.source_words, index)

    def output_gap(self, index: int) -> str:
        return _gap(self.output, self.output_words, index)


class Alignment(NamedTuple):
    best: Int64
    """For each output word the index of its source word, int64 [output words]; -1 where the source has no word."""
    shares: Float32
    """How much each output word attends to each source word that it may translate, by what it attends to most,
    float32 [output words, source words]."""


def words(text: str) -> Steps[list[Span]]:
    """The words of a text, in order; what is between them is blank or invisible. Combining marks and invisible
    characters that follow a word without a blank belong to it."""
    found: list[Span] = []
    start = end = 0
    last = _BLANK
    for at, character in enumerate(text):
        if at % _CHARACTERS_A_STEP == _CHARACTERS_A_STEP - 1:
            yield
        class_ = _class_of(character)
        is_adjacent = end == at and last is not _BLANK
        if class_ is _EXTENDING and not is_adjacent:
            class_ = _MARK if unicodedata.category(character)[0] == "M" else _BLANK
        if class_ is _BLANK:
            continue
        if is_adjacent and (
            class_ is _EXTENDING or (last is _LETTER and (class_ is _LETTER or _joins(text, at, character)))
        ):
            end = at + 1
            continue
        if last is not _BLANK:
            found.append((start, end))
        start, end, last = at, at + 1, class_
    if last is not _BLANK:
        found.append((start, end))
    return found


def is_single(character: str) -> bool:
    """Whether a character is a letter of a script that has no blanks between words."""
    return _class_of(character) is _SINGLE


def kind(word: str) -> str:
    """The empty text for a word of letters or digits; for a mark the mark that stands for all that are written in its
    place in other languages and scripts."""
    first = word[0]
    if _class_of(first) in (_LETTER, _SINGLE):
        return ""
    return _kind_of_mark(first)


def align(
    source: str,
    source_words: Sequence[Span],
    output: str,
    output_words: Sequence[Span],
    source_tokens: Sequence[Span],
    output_tokens: Sequence[Span],
    attention: Float32 | None,
) -> Steps[Alignment]:
    """For each output word, the source word that its tokens attend to most.

    Marks are aligned to marks of their kind, and words to words, where the source has any. Among equals, as all are
    where there is no attention, the one at the nearest relative position is taken.

    attention: float32 [output tokens, source tokens]; more rows and columns, as of the texts' ends, do
    not count.
    """
    num_source, num_output = len(source_words), len(output_words)
    if not num_source or not num_output:
        return Alignment(np.full(num_output, -1, np.int64), np.zeros((num_output, num_source), np.float32))
    source_kinds = yield from _kinds(source, source_words)
    output_kinds = yield from _kinds(output, output_words)
    source_ranges = _overlapping(source_words, source_tokens)
    yield
    output_ranges = _overlapping(output_words, output_tokens)
    aligned = Alignment(np.empty(num_output, np.int64), np.empty((num_output, num_source), np.float32))
    positions = np.arange(num_source)
    for first in range(0, num_output, _WORDS_A_STEP):
        chunk = slice(first, min(first + _WORDS_A_STEP, num_output))
        expected = (np.arange(chunk.start, chunk.stop) + 0.5) * (num_source / num_output) - 0.5
        shares = -_TIE * np.abs(positions - expected[:, None]) / num_source  # [chunk, source words]
        if attention is not None:
            shares += _shares(_by_words(attention, output_ranges[chunk], source_ranges, len(source_tokens)))
        is_allowed = output_kinds.may_translate(chunk, source_kinds)
        shares = np.where(is_allowed, shares, -1.0)
        aligned.best[chunk] = shares.argmax(axis=1)
        aligned.shares[chunk] = shares.clip(0.0)
        yield
    return aligned


@dataclass(frozen=True)
class _Kinds:
    """The kinds of a text's words."""

    numbers: Int64
    """The code point of each word's kind; 0 for letters and digits."""
    are_symbols: Bool

    def may_translate(self, chunk: slice, source: "_Kinds") -> Bool:
        """Which source words the words of a part may be aligned to, bool [part, source words]; one at least."""
        numbers = self.numbers[chunk, None]
        are_same: Bool = (numbers == source.numbers) | ((numbers == 0) & source.are_symbols)
        return are_same | ~are_same.any(axis=1, keepdims=True)


def _kinds(text: str, words: Sequence[Span]) -> Steps[_Kinds]:
    kinds: list[str] = []
    for start, _ in words:
        kinds.append(kind(text[start]))
        if len(kinds) % _CHARACTERS_A_STEP == 0:
            yield
    numbers = np.array([ord(kind_) if kind_ else 0 for kind_ in kinds], np.int64)
    yield
    are_symbols = np.array([bool(kind_) and _is_symbol(kind_) for kind_ in kinds], bool)
    yield
    return _Kinds(numbers, are_symbols)


def _shares(weights: Float64) -> Float64:
    """Weights [output words, source words] by the largest of each output word."""
    largest: Float64 = weights.max(axis=1, keepdims=True)
    return weights / np.where(largest > 0, largest, 1.0)


def _overlapping(words: Sequence[Span], tokens: Sequence[Span]) -> Int64:
    """The first token that overlaps each word, and the end of those that do, int64 [words, 2]; both are in order."""
    word_spans = np.array(words, np.int64).reshape(-1, 2)
    token_spans = np.array(tokens, np.int64).reshape(-1, 2)
    first = token_spans[:, 1].searchsorted(word_spans[:, 0], "right")
    end = token_spans[:, 0].searchsorted(word_spans[:, 1], "left")
    return np.stack([first, np.maximum(first, end)], axis=1)


def _by_words(attention: Float32, output_ranges: Int64, source_ranges: Int64, num_source_tokens: int) -> Float64:
    """Sums of the attention by ranges of tokens of either side, float64 [output words, source words]."""
    first, end = int(output_ranges[0, 0]), int(output_ranges[-1, 1])
    part = np.asarray(attention[first:end, :num_source_tokens], np.float64)
    return _sums(_sums(part, output_ranges - first).T, source_ranges).T


def _sums(rows: Float64, ranges: Int64) -> Float64:
    """Sums of the rows in each range, [ranges, columns]."""
    padded = np.concatenate([rows, np.zeros((1, rows.shape[1]))])  # so that a range may end behind the last row
    clipped = np.minimum(ranges, len(rows))
    sums: Float64 = np.add.reduceat(padded, clipped.ravel(), axis=0)[::2]
    sums[clipped[:, 0] >= clipped[:, 1]] = 0.0
    return sums


def _word(text: str, words: Sequence[Span], index: int) -> str:
    if not 0 <= index < len(words):
        return ""
    start, end = words[index]
    return text[start:end]


def _gap(text: str, words: Sequence[Span], index: int) -> str:
    start = words[index - 1][1] if index > 0 else 0
    return text[start : words[index][0]] if index < len(words) else text[start:]


def _joins(text: str, at: int, character: str) -> bool:
    """Whether a mark behind a letter or digit is inside a word."""
    if at + 1 == len(text) or _class_of(text[at + 1]) is not _LETTER:
        return False
    if character in _JOINERS:
        return True
    return character in _BETWEEN_DIGITS and text[at - 1].isdigit() and text[at + 1].isdigit()


@lru_cache(maxsize=4096)
def _class_of(character: str) -> str:
    category = unicodedata.category(character)
    if is_reserved(character):
        return _MARK  # of a kind of its own, so that it is aligned with itself
    if category[0] == "M" or category == "Cf":
        return _EXTENDING
    if character.isspace() or category[0] in "CZ":
        return _BLANK
    if not character.isalnum():
        return _MARK
    code = ord(character)
    return _SINGLE if any(first <= code <= last for first, last in _WITHOUT_BLANKS) else _LETTER


@lru_cache(maxsize=4096)
def _kind_of_mark(mark: str) -> str:
    mark = _SAME_MARKS.get(mark, mark)
    narrow = unicodedata.normalize("NFKC", mark)
    return _SAME_MARKS.get(narrow, narrow[:1] or mark)


def _is_symbol(mark: str) -> bool:
    return mark in _SYMBOLS or unicodedata.category(mark)[0] != "P"
