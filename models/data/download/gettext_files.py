"""Sources in gettext's PO format: manuals whose messages have XML inside, and manuals in reStructuredText.

Messages that are marked as fuzzy, not translated or obsolete are left out.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polib

from models.data.corpora import CorpusError
from models.data.download.pair import Pair

_NO_PROSE = ("external ref=", "translator-credits", "@@image:")
"""Starts of messages that stand for files and names."""

_FIGURE = re.compile(r"<(media|indexterm|programlisting|screen)\b[^<>]*>.*?</\1>|<indexterm\b[^<>]*/>", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")

_ROLE = re.compile(r":[a-zA-Z][\w.:+-]{0,40}:`([^`]*)`")
_LITERAL = re.compile(r"``([^`]*)``")
_LINK = re.compile(r"`([^`]*)`__?")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")
_SUBSTITUTION = re.compile(r"\|[^|\s][^|]*\||\[#?[\w*]*\]_")
_TARGET = re.compile(r"\s*<[^<>]*>$")


def strip_xml(message: str) -> str:
    """The message without tags; figures and index terms are left out with their content."""
    return html.unescape(_TAG.sub("", _FIGURE.sub("", message)))


def strip_restructured_text(message: str) -> str:
    """The message without inline markup: a role's text, a link's text, emphasis; an empty string for one with a
    substitution or a footnote, whose text is elsewhere."""
    if _SUBSTITUTION.search(message):
        return ""
    text = _ROLE.sub(lambda role: _role_text(role.group(1)), message)
    text = _LITERAL.sub(r"\1", text)
    text = _LINK.sub(lambda link: _TARGET.sub("", link.group(1)), text)
    return _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text)).removesuffix("::")


def _role_text(content: str) -> str:
    """`text <target>` -> text; `~package.name` -> name; `!name` -> name."""
    text = _TARGET.sub("", content)
    return text.rpartition(".")[2] if text.startswith("~") else text.removeprefix("!")


def read_po_with_xml(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    return _read(french, strip_xml)


def read_po_with_restructured_text(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    return _read(french, strip_restructured_text)


def _read(paths: Sequence[Path], strip: Callable[[str], str]) -> Iterator[Pair]:
    for path in (file for place in paths for file in ([place] if place.is_file() else sorted(place.rglob("*.po")))):
        try:
            messages = polib.pofile(str(path), encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{path}: a PO file expected: {error}") from error
        for message in messages.translated_entries():
            if not message.msgid.startswith(_NO_PROSE) and not message.msgid_plural:
                yield Pair(strip(message.msgid), strip(message.msgstr))
