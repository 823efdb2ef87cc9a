"""The tags, comments and texts of HTML, in the order and with the places that they have in the content.

This follows the tokenization of the WHATWG's HTML standard (section 13.2.5), as browsers do, but builds no tree: every
code point of the content is in one token, so that what is not translated is written as it was sent. It is a scanner of
its own because the library's `html.parser` cannot be bounded: fed as a whole it parses without a pause, in slices it
begins an unfinished tag or comment again with each slice, and both take quadratic time for ten thousand `<!--`; and
which rules it follows for comments, raw text and references changes between the patch releases of one Python version.
lxml and html5lib keep no places of tags.

Left out: the states of scripts that contain `<!-- <script>`, and `title` as text alone (tags in it are tags here).
"""

import html
import re
from enum import Enum
from html.entities import html5
from typing import NamedTuple

from server.text.steps import Steps


class Kind(Enum):
    TEXT = "text"
    """With its character references."""
    OPENING = "opening tag"
    CLOSING = "closing tag"
    OTHER = "other"
    """A comment, doctype or processing instruction, a tag that the content's end cuts off, the text of a script."""


class Token(NamedTuple):
    kind: Kind
    start: int
    """In code points of the content."""
    end: int
    name: str = ""
    """Of a tag, in small letters."""


def element_names(names: str) -> frozenset[str]:
    return frozenset(names.split())


VOID = element_names(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
)
"""Elements that have no content, and so no closing tag."""

RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "xmp", "iframe", "noembed", "noframes")
}
"""Elements whose content ends at their closing tag whatever it contains, and the beginning of that."""

_FOREIGN = ("svg", "math")

_SPACE = r"[\t\n\f\r ]"
_VALUE = rf"""{_SPACE}*+={_SPACE}*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r "'>][^\t\n\f\r >]*+)?+"""
"""An attribute's equals sign and value; one without its second quotation mark goes to the end. All repetitions here are
possessive: nothing is tried twice."""
_NAME = r"[^\t\n\f\r />][^\t\n\f\r />=]*+"

_MARKUP = re.compile(
    rf"<(?:(/?)([a-zA-Z][^\t\n\f\r />]*+)(?>[\t\n\f\r /]++|{_NAME}(?:{_VALUE})?+)*+(>?)"
    r"|!--(?:-?>|[\s\S]*?(?:--!?>|\Z))"
    r"|!\[CDATA\[[\s\S]*?(?:\]\]>|\Z)"
    r"|[!?/][^>]*+>?)"
)

_ATTRIBUTE_OF_TRANSLATION = re.compile(
    rf"(?>[\t\n\f\r /]++|(?!(?:translate|class)(?:[\t\n\f\r />=]|\Z)){_NAME}(?:{_VALUE})?+)*+"
    rf"(translate|class)({_VALUE})?+",
    re.IGNORECASE,
)
"""The next of these two attributes, and its value with equals sign and quotation marks, behind all others."""

_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[a-zA-Z][a-zA-Z0-9]{1,31};?)")
_MAX_DIGITS = 7
"""Of the number of a code point, decimal or hexadecimal."""


def tokenize(content: str) -> Steps[list[Token]]:
    """All tokens; each begins where the one before it ends."""
    tokens: list[Token] = []
    at = num_foreign = 0
    while at < len(content):
        match = _MARKUP.search(content, at)
        start, end = match.span() if match else (len(content), len(content))
        if at < start:
            tokens.append(Token(Kind.TEXT, at, start))
        at = end
        if match:
            slash, name, close = match.groups()
            if not close:
                tokens.append(Token(Kind.OTHER, start, end))
                yield
                continue
            name = name.lower()
            tokens.append(Token(Kind.CLOSING if slash else Kind.OPENING, start, end, name))
            is_alone = is_self_closing(content, tokens[-1])
            if name in _FOREIGN and not is_alone:
                num_foreign = max(num_foreign + (-1 if slash else 1), 0)
            if name in RAW_TEXT and not slash and not (num_foreign and is_alone):
                closing = RAW_TEXT[name].search(content, end)
                at = closing.start() if closing else len(content)
                if end < at:
                    tokens.append(Token(Kind.OTHER, end, at))
        yield
    return tokens


def is_self_closing(content: str, tag: Token) -> bool:
    return content[tag.end - 2] == "/"


def is_lone_tag(markup: str) -> Steps[bool]:
    """Whether markup opens elements that it does not close, or closes what it has not opened."""
    num_open = 0
    for token in (yield from tokenize(markup)):
        num_open += (token.kind is Kind.OPENING and token.name not in VOID) - (token.kind is Kind.CLOSING)
        yield
    return num_open != 0


def forbids_translation(tag: str) -> bool:
    """Whether an opening tag has `translate="no"` or the class `notranslate`. Of equal attributes the first counts."""
    if "translate" not in tag.lower():
        return False
    values: dict[str, str] = {}
    at = next((at for at, character in enumerate(tag) if character in "\t\n\f\r />"), len(tag))
    while match := _ATTRIBUTE_OF_TRANSLATION.match(tag, at):
        values.setdefault(match[1].lower(), (match[2] or "").strip("\t\n\f\r =\"'").lower())
        at = match.end()
    return values.get("translate") == "no" or "notranslate" in values.get("class", "").split()


def find_references(content: str, start: int, end: int) -> Steps[list[tuple[int, int, str]]]:
    """The character references of a text, as `html.unescape` reads them: where each begins and ends in the content,
    and its characters: mostly one, of some names two, none for what may not be in HTML."""
    references: list[tuple[int, int, str]] = []
    for match in _REFERENCE.finditer(content, start, end):
        reference = match[0]
        if reference[1] == "#":
            references.append((match.start(), match.end(), _numbered(reference)))
        else:  # the longest name that it begins with
            for length in range(len(reference), 2, -1):
                characters = html5.get(reference[1:length])
                if characters is not None:
                    references.append((match.start(), match.start() + length, characters))
                    break
        yield
    return references


def _numbered(reference: str) -> str:
    digits = reference[2:].rstrip(";")
    mark = digits[0] if digits[0] in "xX" else ""
    number = digits[len(mark) :].lstrip("0") or "0"
    # Python refuses to read a number of thousands of digits.
    return html.unescape(f"&#{mark}{number};") if len(number) <= _MAX_DIGITS else "\N{REPLACEMENT CHARACTER}"


def escape(text: str) -> str:
    """A text as it is written between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
