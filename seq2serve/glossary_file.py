"""Glossary files: `source term <tab> target term` lines, for the command line and for the server's model repository."""

import codecs
from pathlib import Path

MAX_TERM_CHARACTERS = 200
"""Of a term of a glossary, and of a forbidden phrase; a server refuses longer ones."""

_MAX_QUOTED = 80
"""Characters of a line in a message."""


def read_glossary_file(path: Path) -> list[tuple[str, str]]:
    """Source and target terms of a file. Raises OSError, and ValueError like `parse_glossary`."""
    return parse_glossary(path.read_bytes())


def parse_glossary(data: bytes) -> list[tuple[str, str]]:
    """Source and target terms of a file's bytes: UTF-8, with a byte order mark or without, lines that end with LF, CRLF
    or CR. Blank lines and those that begin with # are passed over, as is white space around a term. Of lines with the
    same source term the last one counts.

    Raises ValueError, whose message begins with `line` and the line's number.
    """
    entries: dict[str, str] = {}
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            entry = _parse_line(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if entry:
            source, target = entry
            entries[source] = target
    return list(entries.items())


def _parse_line(raw: bytes) -> tuple[str, str] | None:
    """The terms of a line; None for one that has none. Raises ValueError."""
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"UTF-8 expected, got {error}") from error
    if not line.strip() or line.startswith("#"):
        return None
    terms = [term.strip() for term in line.split("\t")]
    if len(terms) != 2 or not all(map(_is_visible, terms)):
        raise ValueError(f"a source term, a tab and a target term expected, got {line[:_MAX_QUOTED]!r}")
    for term in terms:
        if len(term) > MAX_TERM_CHARACTERS:
            raise ValueError(f"terms of at most {MAX_TERM_CHARACTERS} characters expected, got one of {len(term)}")
    return terms[0], terms[1]


def _is_visible(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)
