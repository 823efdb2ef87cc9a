"""Sentences all in capitals, which a model reads in small letters."""

import re

from server.bundle.span_pieces import is_reserved
from server.text.alphabet import Alphabet

_MIN_CASED = 2
_MAX_ABBREVIATION = 3
"""Letters of a word alone that is taken as an abbreviation, as USA or FBI; four are a word, as STOP or EXIT."""

_MAX_NAME = 40
"""Characters of a word that is looked up."""

_WORD = re.compile(r"[^\W\d_]+")
_STAYS = re.compile(r"\bI\b|\b(?:\w\.){2,}")
"""The English word I, and abbreviations with dots."""


def is_in_capitals(text: str) -> bool:
    """Whether all letters that have a case, two of them at least, are capitals.

    A single word is taken as an abbreviation, which is read as it is, if it has three letters at most (USA, OK), or
    dots or digits inside (U.S., MP3, B2B).
    """
    if not text.isupper():
        return False
    if " " in text:
        return sum(map(str.isupper, text[:200])) >= _MIN_CASED or sum(map(str.isupper, text)) >= _MIN_CASED
    word = text.strip(".,;:!?\"'()[]")
    return len(word) > _MAX_ABBREVIATION and "." not in word and not any(map(str.isdigit, word))


def lower(text: str, alphabet: Alphabet) -> list[str]:
    """For each character of a text in capitals what a model reads for it: small letters but for the one that begins the
    text, those that begin names, the English word I, and letters of which the alphabet lacks the small one.

    Names are words that the vocabulary has in fewer or more frequent pieces with a capital than without.
    """
    small = text.lower()
    # The whole text is lowered at once, since a sigma at a word's end is another one.
    lowered = list(small) if len(small) == len(text) else [character.lower() for character in text]
    lowered = [character if alphabet.lacks(form) else form for character, form in zip(text, lowered, strict=True)]
    first = next(at for at, character in enumerate(text) if character.isalnum() or is_reserved(character))
    lowered[first] = text[first]
    for match in _WORD.finditer(text):
        word = "".join(lowered[match.start() : match.end()])
        if match.end() - match.start() > 1 and len(word) <= _MAX_NAME and alphabet.is_name(word):
            lowered[match.start()] = text[match.start()]
    for match in _STAYS.finditer(text):
        lowered[match.start() : match.end()] = match.group()
    return lowered
