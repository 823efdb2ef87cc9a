"""Files as texts to translate, and back: what stands between the texts stays as it is.

This module knows formats and no server. `parts` of a format part a file; joined, they are the file.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from seq2serve.lines import HTML_CUTS, PLAIN_CUTS, cut

PLAIN, HTML = "text/plain", "text/html"


class Part(NamedTuple):
    """A piece of a file."""

    text: str
    mime_type: str = ""
    """What it is translated as; empty where it stays as it is."""


Parted = Callable[[str, int], Iterable[Part]]
"""Parts of a file's text, of at most so many characters each."""

_CUE = re.compile(
    r"(?P<head>(?:^|(?<=\n))[ \t]*(?:[0-9]+[ \t]*\r?\n[ \t]*)?[0-9]+:[0-9]{2}:[0-9]{2}[,.][0-9]+[ \t]*-->[^\n]*\r?\n)"
    r"(?P<text>.*?)(?=\s*\Z|\r?\n[ \t]*\r?\n)",
    re.DOTALL,
)
"""A subtitle (SubRip): a number, times, and lines up to a blank one."""
_PLACEMENT = re.compile(r"(?:\{\\an?[0-9]+\})*")
_TAG = re.compile(r"</?(?:b|i|u|font)\b[^>]*>", re.IGNORECASE)
_NEW_VOICE = re.compile(r"\r?\n(?=[ \t]*[-–—])")
_LINE_END = re.compile(r"[ \t]*\r?\n[ \t]*")


def text_parts(text: str, max_characters: int) -> Iterable[Part]:
    return _pieces(text, PLAIN, max_characters, PLAIN_CUTS)


def html_parts(text: str, max_characters: int) -> Iterable[Part]:
    return _pieces(text, HTML, max_characters, HTML_CUTS)


def subtitle_parts(text: str, max_characters: int) -> Iterable[Part]:
    """A subtitle's lines are one sentence that was wrapped, but for those that begin with a dash: somebody else speaks
    them."""
    end = 0
    for cue in _CUE.finditer(text):
        placement = _PLACEMENT.match(cue["text"])
        head = cue["head"] + (placement[0] if placement else "")
        yield Part(text[end : cue.start()] + head)
        end = cue.start() + len(head)
        for voice in _with_ends(text[end : cue.end()]):
            joined = _LINE_END.sub(" ", voice.text) if voice.mime_type else voice.text
            if not joined or not voice.mime_type:
                yield Part(joined)
                continue
            yield from _pieces(joined, HTML if _TAG.search(joined) else PLAIN, max_characters, PLAIN_CUTS)
        end = cue.end()
    yield Part(text[end:])


def _with_ends(text: str) -> Iterable[Part]:
    """What each speaker says, and the line breaks between them."""
    start = 0
    for line_end in _NEW_VOICE.finditer(text):
        yield Part(text[start : line_end.start()], PLAIN)
        yield Part(line_end[0])
        start = line_end.end()
    yield Part(text[start:], PLAIN)


def _pieces(text: str, mime_type: str, max_characters: int, marks: Sequence[str]) -> list[Part]:
    """White space where a text was cut may be of any length, and stays."""
    pieces = cut(text, max_characters, marks)
    return [Part(piece, mime_type if piece.strip() else "") for piece in pieces]


class Format(NamedTuple):
    parts: Parted
    media_type: str


FORMATS: Mapping[str, Format] = {
    ".txt": Format(text_parts, PLAIN),
    ".srt": Format(subtitle_parts, "application/x-subrip"),
    ".html": Format(html_parts, HTML),
}
"""By the end of a file's name."""
