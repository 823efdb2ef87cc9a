"""The words of a text as a glossary compares them, each with its place in the text."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from server.text.steps import Steps

_APOSTROPHES = frozenset("'’‘‛`´ʼʻ׳＇")
"""What people type for an apostrophe. A grave or an acute accent by itself is none else between letters."""
_PARTING_DASHES = frozenset("—―⸺⸻〜〰゠︱︲﹘")
"""Dashes that part the words beside them, where no white space does."""
_MINUS = "−"
_OTHER_JOINERS = frozenset(".．․·_＿")
"""A middle dot is inside Catalan words (col·lega), a low line inside names of programs."""
_COMMAS = frozenset(",，")
_IGNORED = frozenset(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, 0xFFA0, *range(0xFE00, 0xFE10))
) | frozenset(range(0xE0100, 0xE01F0))
"""Code points of letters and marks that Unicode calls default ignorable: variation selectors, fillers."""
_UNSPACED = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x19E0, 0x1A00),
    range(0x2E80, 0x2FE0),  # radicals of Han
    range(0x3005, 0x3008),
    range(0x3041, 0x30A0),  # Hiragana
    range(0x3400, 0x4DC0),  # Han
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x32000),
)
"""Scripts that write no space between words. Katakana is not among them: its runs are words, nearly always."""
_LONG_VOWEL = "ー"

_WORD = re.compile(r"[wd][wdm]*(?:(?:j|(?<=d),(?=d))[wd][wdm]*)*|[^s]m*")
"""A word, in the kinds of a text's characters: see `_kind`."""
_MAX_FOLDED_CHARACTERS = 400
"""Of a word. A longer one is as it is in the text: no term is as long, and folding takes 4 µs for some characters, and
time that grows with the square of the number of marks in a row."""
_STEP = 250
"""Characters between two yields."""


class Word(NamedTuple):
    key: str
    """What is compared. Mostly one word; several with spaces between them where a character stands for them (½)."""
    start: int
    end: int
    """Where the word is in the text, in code points."""


def split_words(text: str) -> Steps[list[Word]]:
    """The words of a text in order.

    A word is letters, digits and marks, with single apostrophes, hyphens, dots and low lines inside, and commas
    between digits: `can't`, `e-mail`, `3.5`, `U.S` without its last dot. Every other visible character is a word by
    itself, and so is every letter of a script that puts no space between words. Invisible characters do not count,
    control characters are white space. Keys do not differ by letter case, by Unicode's forms of a character (NFKC), by
    the kind of an apostrophe, or of a hyphen or dash.

    Takes time that grows with the text's length, and yields between parts of it.
    """
    kinds = ""
    for start in range(0, len(text), _STEP):
        kinds += "".join(map(_kind, text[start : start + _STEP]))
        yield
    places: range | list[int] = range(len(text))
    if "i" in kinds:
        places = [place for place in places if kinds[place] != "i"]
        text = "".join([text[place] for place in places])
        kinds = kinds.replace("i", "")
        yield
    found = []
    num_characters = 0
    for match in _WORD.finditer(kinds):
        start, end = match.span()
        found.append(Word(_key(text[start:end]), places[start], places[end - 1] + 1))
        num_characters += min(end - start, _MAX_FOLDED_CHARACTERS)
        if num_characters >= _STEP:
            num_characters = 0
            yield
    return found


@lru_cache(maxsize=8192)
def _kind(character: str) -> str:
    """What a character is in a word, as one letter: d(igit), w (another letter or number), m(ark), j (joins the words
    beside it), `,` (joins digits), c (a letter of an unspaced script), s(pace), i (invisible), o(ther)."""
    category = unicodedata.category(character)
    if character in _APOSTROPHES or character in _OTHER_JOINERS or character == _MINUS:
        return "j"
    if category == "Pd":
        return "o" if character in _PARTING_DASHES else "j"
    if character in _COMMAS:
        return ","
    if category == "Cf" or ord(character) in _IGNORED:
        return "i"
    if category[0] == "Z" or category == "Cc":
        return "s"
    if category[0] == "M":
        return "m"
    if category[0] == "L" and any(ord(character) in block for block in _UNSPACED):
        return "c"
    if category == "Nd":
        return "d"
    return "w" if category[0] in "LN" or character == _LONG_VOWEL else "o"


def _key(word: str) -> str:
    if word.isascii():
        return word.lower().replace("`", "'")
    if len(word) > _MAX_FOLDED_CHARACTERS:
        return word
    folded = unicodedata.normalize("NFKC", _with_plain_signs(word)).casefold()
    folded = _with_plain_signs(unicodedata.normalize("NFKC", folded)).strip()
    kinds = "".join(map(_kind, folded))
    parts = [folded[match.start() : match.end()] for match in _WORD.finditer(kinds)]
    return " ".join(parts) or word


def _with_plain_signs(word: str) -> str:
    return "".join(map(_plain_sign, word))


@lru_cache(maxsize=8192)
def _plain_sign(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    return "-" if character == _MINUS or unicodedata.category(character) == "Pd" else character
