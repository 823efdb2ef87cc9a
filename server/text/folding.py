"""How a character that a vocabulary lacks is written with those that it has."""

import unicodedata
from collections.abc import Iterator

from anyascii import anyascii

from server.bundle.span_pieces import without_reserved
from server.text.alphabet import MAX_CLUSTER, PLAIN_FORMS, Alphabet, changes_meaning, is_invisible

_READ_ALIKE = frozenset(" .,;:!?'\"()[]-/~&")
"""ASCII signs by which others may be replaced. Not a letter or a digit: § is no S, and ‰ is not %0."""


def fold(cluster: str, alphabet: Alphabet) -> str | None:
    """What a model reads for a grapheme cluster; "" for what is invisible, None for what cannot be read.

    Only what the alphabet lacks changes: white space and control characters to a space, typography to a typewriter's
    signs, other forms of a character to the usual one; Latin letters lose their marks.
    """
    if not alphabet.lacks(cluster):
        return cluster
    if cluster.isspace() or all(unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp") for character in cluster):
        return " "
    if len(cluster) > MAX_CLUSTER:
        return None
    visible = "".join(character for character in cluster if not (is_invisible(character) and alphabet.lacks(character)))
    if visible != cluster and (not visible or not alphabet.lacks(visible)):
        return visible
    return next((form for form in _forms(visible) if form and not _lacks_any(form, alphabet)), None)


def plain(text: str) -> str:
    """A text that is given to be written, as pieces may write it: composed characters (NFC), white space as spaces,
    nothing invisible, what no vocabulary has for reserved characters. Not every tokenizer normalises."""
    composed = unicodedata.normalize("NFC", without_reserved(text))
    return "".join(" " if character.isspace() else character for character in composed if not is_invisible(character))


def _forms(cluster: str) -> Iterator[str]:
    """Other ways to write a cluster, the nearest first."""
    if cluster in PLAIN_FORMS:
        yield PLAIN_FORMS[cluster]
    composed = unicodedata.normalize("NFC", cluster)
    yield composed
    if any(map(changes_meaning, cluster)):
        return
    composed = unicodedata.normalize("NFKC", cluster)
    yield composed
    yield PLAIN_FORMS.get(composed, "")
    if _is_latin(composed[0]):
        bare = "".join(mark for mark in unicodedata.normalize("NFD", composed) if not unicodedata.combining(mark))
        yield bare
        yield _in_ascii(bare)
    elif all(unicodedata.category(character).startswith("P") for character in composed):
        form = _in_ascii(composed)
        yield form if _READ_ALIKE.issuperset(form) else ""


def _in_ascii(text: str) -> str:
    """The text in ASCII; empty if a character of it has no counterpart there."""
    forms = [anyascii(character) for character in text]
    return "".join(forms) if all(forms) else ""


def _is_latin(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith("LATIN ")


def _lacks_any(form: str, alphabet: Alphabet) -> bool:
    return not alphabet.has_all(form) and any(map(alphabet.lacks, form))
