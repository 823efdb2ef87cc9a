"""Sources in Mozilla's Fluent format: a file for each page, the same relative path under both languages' folders.

Terms, the brands' names, are filled in; messages with other placeables (a variable, a plural) are left out.
"""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fluent.syntax import FluentParser
from fluent.syntax.ast import Message, Pattern, Placeable, StringLiteral, Term, TermReference, TextElement

from models.data.download.pair import Pair

_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def read_fluent(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Messages of the same id. Each folder's terms are those of all its files."""
    for ours, theirs in zip(english, french, strict=True):
        terms = [_terms(folder) for folder in (ours, theirs)]
        for path in sorted(theirs.rglob("*.ftl")):
            beside = ours / path.relative_to(theirs)
            if beside.exists():
                messages = _messages(path, terms[1])
                for name, text in _messages(beside, terms[0]).items():
                    if name in messages:
                        yield Pair(text, messages[name])


def _terms(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.ftl")):
        for entry in _entries(path):
            if isinstance(entry, Term):
                text = _text(entry.value, {})
                if text:
                    found[entry.id.name] = text
    return found


def _messages(path: Path, terms: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in _entries(path):
        if isinstance(entry, Message) and entry.value:
            text = _text(entry.value, terms)
            if text:
                found[entry.id.name] = text
    return found


def _entries(path: Path) -> list[object]:
    return [*FluentParser().parse(path.read_text(encoding="utf-8")).body]


def _text(pattern: Pattern, terms: dict[str, str]) -> str | None:
    """The pattern's text without tags; None if something in it is known at run time only."""
    parts: list[str] = []
    for element in pattern.elements:
        part = _part(element, terms)
        if part is None:
            return None
        parts.append(part)
    return html.unescape(_TAG.sub(" ", "".join(parts)))


def _part(element: TextElement | Placeable, terms: dict[str, str]) -> str | None:
    if isinstance(element, TextElement):
        return element.value
    match element.expression:
        case StringLiteral() as literal:
            return literal.parse()["value"]
        case TermReference() as term if not term.attribute and not term.arguments:
            return terms.get(term.id.name)
    return None
