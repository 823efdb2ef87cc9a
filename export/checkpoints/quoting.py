"""YAML's quotation marks and escapes (YAML 1.2, sections 7.3.1 and 7.3.2)."""

import re

_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.)|$)", re.DOTALL)


def unquote(text: str) -> str:
    """A scalar as it was meant: without its quotation marks and escapes, or as it is where it has none.

    Raises ValueError for an escape that YAML does not have.
    """
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _join_surrogates(_ESCAPE.sub(_character, text[1:-1]))
    return text


def _character(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits:
        return chr(int(digits, 16))
    if match[4] not in _ESCAPES:
        raise ValueError(f"an escape of YAML expected, got {match[0]!r}")
    return _ESCAPES[match[4]]


def _join_surrogates(text: str) -> str:
    """JSON writes a character beyond U+FFFF as two escapes."""
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16")
