"""Cleaning of sentence pairs: what is made equal in every sentence, and which pairs are not worth training on.

Each reason to drop a pair is a function of its two sides; `find_fault` names the first that holds.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

MAX_ENGLISH_WORDS, MAX_FRENCH_WORDS = 60, 70

MAX_RATIO = 2.2
"""Letters of one side to those of the other, either way round, both lengths a little smoothed."""

_RATIO_SMOOTHING = 5
"""Characters added to both lengths, so that `Go.` - `Vas-y !` passes."""

MAX_CODE_SHARE = 0.25
"""Share of a side's words that may look like code."""

_THOUSANDS = re.compile(r"(?<=\d)[ ,.](?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d+")
_CODE = re.compile(r"[_{}\\<>|=$#@^~`\[\]]|\(\)|::|->|[A-Za-z0-9]/[A-Za-z0-9]|^--?[a-z]|https?:|www\.")
_CONFLICT = re.compile(r"<{7}|>{7}|={7}")

_ENGLISH_WORDS = frozenset(
    re.findall(r"\w+", "the of and to in is you that it for was with are be this have from by not")
)
_FRENCH_WORDS = frozenset(
    re.findall(r"\w+", "le la les de des du et un une est que qui dans pour pas vous sur avec ce il")
)
"""The most frequent words of a language that the other one does not have."""
_MIN_WORDS_TO_TELL = 4
"""Words from which on a sentence's language is guessed, and from which on an equal other side is no translation."""


def plain(sentence: str) -> str:
    """The sentence in NFC, with plain spaces, single ones, and plain apostrophes."""
    return " ".join(unicodedata.normalize("NFC", sentence).replace("\u2019", "'").split())


def normalise(sentence: str) -> str:
    """The plain sentence without invisible characters, such as soft hyphens and marks of direction."""
    spaced = plain(sentence)
    return plain("".join(character for character in spaced if unicodedata.category(character) not in ("Cc", "Cf")))


def is_empty(english: str, french: str) -> bool:
    """No letter on one side."""
    return not (any(map(str.isalpha, english)) and any(map(str.isalpha, french)))


def is_too_long(english: str, french: str) -> bool:
    return len(english.split()) > MAX_ENGLISH_WORDS or len(french.split()) > MAX_FRENCH_WORDS


def is_uneven(english: str, french: str) -> bool:
    """One side far longer than the other."""
    lengths = sorted((len(english) + _RATIO_SMOOTHING, len(french) + _RATIO_SMOOTHING))
    return lengths[1] > MAX_RATIO * lengths[0]


def has_other_numbers(english: str, french: str) -> bool:
    """Numbers in digits that the other side does not have; thousands separators and leading zeros are no difference."""
    return numbers(english) != numbers(french)


def numbers(sentence: str) -> Counter[str]:
    return Counter(number.lstrip("0") for number in _NUMBER.findall(_THOUSANDS.sub("", sentence)))


def looks_like_code(english: str, french: str) -> bool:
    """Too many words with characters that prose does not have, or the marks of a conflict left in by a merge."""
    for side in (english, french):
        words = side.split()
        if _CONFLICT.search(side) or sum(bool(_CODE.search(word)) for word in words) > MAX_CODE_SHARE * len(words):
            return True
    return False


def has_other_script(english: str, french: str) -> bool:
    """A letter of another script than the Latin one."""
    return any(
        character.isalpha() and character > "\u024f" and not unicodedata.name(character, "").startswith("LATIN")
        for character in english + french
    )


def is_untranslated(english: str, french: str) -> bool:
    """Both sides equal, or one side in the other's language, as far as its most frequent words tell."""
    words = [[word.strip(".,;:!?\"'()") for word in side.casefold().split()] for side in (english, french)]
    if min(map(len, words)) < _MIN_WORDS_TO_TELL:
        return False
    if words[0] == words[1]:
        return True
    return _count(words[0], _FRENCH_WORDS) > _count(words[0], _ENGLISH_WORDS) or _count(
        words[1], _ENGLISH_WORDS
    ) > _count(words[1], _FRENCH_WORDS)


def _count(words: list[str], frequent: frozenset[str]) -> int:
    return sum(word in frequent for word in words)


FAULTS: dict[str, Callable[[str, str], bool]] = {
    "no letters": is_empty,
    "too long": is_too_long,
    "uneven": is_uneven,
    "other numbers": has_other_numbers,
    "code": looks_like_code,
    "other script": has_other_script,
    "untranslated": is_untranslated,
}
"""Reason to drop a pair of normalised sentences -> whether it holds."""


def find_fault(english: str, french: str) -> str | None:
    return next((reason for reason, holds in FAULTS.items() if holds(english, french)), None)
