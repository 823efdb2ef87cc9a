"""Which characters a tokenizer's vocabulary has."""

import re
import unicodedata
from collections import Counter
from functools import cached_property, lru_cache

from server.bundle.span_pieces import is_reserved
from server.text.pieces import WORD_START
from server.text.tokenizer import Tokenizer

PLAIN_FORMS = {
    **dict.fromkeys("“”„‟«»″❝❞〝〞＂", '"'),
    **dict.fromkeys("’‘‚‛′ʼ‹›`´＇", "'"),
    **dict.fromkeys("‐‑‒–—―⸺⸻−﹘﹣－", "-"),
    "…": "...",
    "⁄": "/",
}
"""Quotation marks, apostrophes, dashes as a typewriter has them."""

MAX_CLUSTER = 32
"""Code points of a grapheme cluster; a longer one is no character of any language."""

_MAX_CACHED = 8192
_MIN_LETTERS = 10
_NAMES = ("Tom", "Mary", "Bob", "Alice", "Anna", "Paul", "Martin", "David")
"""Names that are the same in many languages."""
_MAX_PIECES_OF_A_NAME = 2
_NAME_RATIO = 4
"""How many times nearer to the vocabulary's beginning a word has to be with a capital than without: words that begin
many sentences are frequent with a capital as well."""
_BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>")
_CHANGES_OF_MEANING = ("<super>", "<sub>", "<fraction>", "<circle>", "<square>")
"""Compatibility forms which, written plainly, are something else: 10² is not 102, and ™ is not the word TM."""


def is_invisible(character: str) -> bool:
    """Whether it shows nothing: zero-width characters, soft hyphens, marks of direction, variation selectors."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or character in "\u034f\u115f"


def changes_meaning(character: str) -> bool:
    """Whether its compatibility form is no way to write it."""
    return unicodedata.decomposition(character).startswith(_CHANGES_OF_MEANING)


class Alphabet:
    """The characters that a model can read.

    A character counts if the vocabulary has it, or what the tokenizer makes of it when it normalises. Some that the
    vocabulary has do not count, since they are there by accident of the training text: letters of a script that has
    fewer than ten of them; invisible characters that only stand alone; quotation marks, apostrophes and dashes of
    which the plain form is the more frequent one. (SentencePiece numbers single characters by frequency.) Private-use
    characters never count: where a vocabulary has them, they are reserved for protected spans.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        texts = [text.replace(WORD_START, "") for text in tokenizer.texts if not _BYTE_PIECE.fullmatch(text)]
        characters = set().union(*texts)
        self._accidental = _strays(characters) | _lone_invisibles(characters, texts) | _rarer_forms(texts)
        self._accidental |= set(filter(is_reserved, characters))
        self._characters = frozenset(characters - self._accidental | {" "})
        self._lacks = lru_cache(_MAX_CACHED)(self._find_out)
        self.is_name = lru_cache(_MAX_CACHED)(self._is_name)
        """Whether a word, given in small letters, is mostly written with a capital."""

    @cached_property
    def names(self) -> list[str]:
        """Common names that the vocabulary has in one or two pieces, those in one first."""
        num_pieces = {name: len(self._tokenizer.encode(name)) for name in _NAMES if self.has_all(name)}
        return sorted(
            (name for name, number in num_pieces.items() if number <= _MAX_PIECES_OF_A_NAME), key=num_pieces.__getitem__
        )

    def has_all(self, text: str) -> bool:
        """Whether the vocabulary has every character of a text as it is written; quick."""
        return self._characters.issuperset(text)

    def lacks(self, cluster: str) -> bool:
        """Whether a grapheme cluster, or a character, cannot be read."""
        if self._characters.issuperset(cluster):
            return False
        return len(cluster) > MAX_CLUSTER or self._lacks(cluster)

    def _is_name(self, word: str) -> bool:
        """A vocabulary has frequent forms of words in few pieces, and pieces are numbered by their frequency."""
        small, capital = (self._tokenizer.encode(form) for form in (word, word.capitalize()))
        if len(capital) != len(small):
            return len(capital) < len(small)
        return len(capital) == 1 and _NAME_RATIO * capital[0] < small[0]

    def _find_out(self, cluster: str) -> bool:
        for character in cluster:
            if character in self._characters:
                continue
            if character == WORD_START or character in self._accidental:
                return True
            if is_invisible(character) or character.isspace() or changes_meaning(character):
                return True
        return not self._tokenizer.has_pieces_for(cluster)


def _strays(characters: set[str]) -> set[str]:
    scripts = {
        character: unicodedata.name(character, "").split(" ")[0]
        for character in characters
        if unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo")
    }
    num_letters = Counter(scripts.values())
    return {letter for letter, script in scripts.items() if script != "LATIN" and num_letters[script] < _MIN_LETTERS}


def _lone_invisibles(characters: set[str], texts: list[str]) -> set[str]:
    invisible = {character for character in characters if is_invisible(character)}
    return invisible.difference(*(text for text in texts if len(text) > 1))


def _rarer_forms(texts: list[str]) -> set[str]:
    ids = {text: id_ for id_, text in reversed(list(enumerate(texts))) if len(text) == 1}
    return {form for form, plain in PLAIN_FORMS.items() if form in ids and ids.get(plain, len(texts)) < ids[form]}
