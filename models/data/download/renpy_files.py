"""Sources in the translation files of Ren'Py, an engine for visual novels.

# s "Hi there! How was class?"        the original, in a comment
s "Salut ! Comment étaient les cours ?"

old "Start"
new "Commencer"
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.data.download.pair import Pair

_STRING = r'"((?:[^"\\]|\\.)*)"'
_ORIGINAL = re.compile(rf"\s+(?:#\s+(?:[\w ]+ )?|old ){_STRING}")
_TRANSLATION = re.compile(rf"\s+(?:[\w ]+ )?{_STRING}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TAG = re.compile(r"\{[^{}]*\}")
_FILLED_IN = re.compile(r"\[[^\]]*\]|%[a-zA-Z(]")


def read_renpy(english: Sequence[Path], french: Sequence[Path]) -> Iterator[Pair]:
    """Dialogue and strings of files or whole folders; sentences with something filled in at run time are left out."""
    for place in french:
        for path in [place] if place.is_file() else sorted(place.rglob("*.rpy")):
            original: str | None = None
            for line in path.read_text(encoding="utf-8-sig").split("\n"):
                if commented := _ORIGINAL.match(line):
                    original = commented.group(1)
                elif original is not None and (translated := _TRANSLATION.match(line)):
                    if not _FILLED_IN.search(original):
                        yield Pair(plain(original), plain(translated.group(1)))
                    original = None


def plain(string: str) -> str:
    """The string without text tags such as {b} and without escapes."""
    unescaped = _ESCAPE.sub(lambda escape: " " if escape.group(1) == "n" else escape.group(1), string)
    return _TAG.sub("", unescaped)
