"""Lines of a file or of standard input, as bytes: what is ready to be read, and how it is put together for calls.

A line ends with `\\n` and nothing else, may have any length, and keeps what is around its text: a byte order mark, a
`\\r` before its end, and that a last line has no end. This module knows of no server and of no output.
"""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

LINES_PER_CALL = 64
"""Most lines that one call carries."""

_BYTES_PER_CALL = 20_000
"""Most bytes of text that one call carries, where it carries several texts: some seconds of work for the server."""

_READ_BYTES = 1 << 17

_SENTENCE_ENDS = ("\n", ". ", "! ", "? ", "。")
_BLANKS = (" ", "\t", "\u3000")
PLAIN_CUTS = (*_SENTENCE_ENDS, *_BLANKS)
"""Where plain text is cut, the best places first: behind these."""
HTML_CUTS = ("</p>", "</li>", "</div>", ">", *PLAIN_CUTS)
"""Where HTML is cut: between its blocks, else between its tags."""

_Item = TypeVar("_Item")


class BadLine(Exception):
    """A line that is left as it was; its text is the reason."""


class Line(NamedTuple):
    """A line, or several that are translated as one text. `start`, `body` and `end` together are its bytes."""

    source: str
    """Name of the file that it is from."""
    number: int
    """Counted from 1, of the first line where it is several."""
    start: bytes
    """A byte order mark, or nothing."""
    body: bytes
    end: bytes
    """A line break, or nothing."""

    @property
    def place(self) -> str:
        """As compilers write it."""
        return f"{self.source}:{self.number}"

    @property
    def raw(self) -> bytes:
        return self.start + self.body + self.end

    @property
    def last_number(self) -> int:
        return self.number + self.body.count(b"\n")

    @property
    def text(self) -> str:
        """The body's. Raises BadLine where it is not UTF-8."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            byte = self.body[error.start]
            raise BadLine(f"UTF-8 expected, got 0x{byte:02x} at byte {error.start + 1}: {error.reason}") from error


Batch = Sequence[Line]
"""Lines that were ready at the same time."""


def argument_lines(texts: Iterable[str]) -> Batch:
    """Texts of the command line, which the operating system gave in its own encoding."""
    return [Line("argument", number, b"", os.fsencode(text), b"\n") for number, text in enumerate(texts, start=1)]


def read_lines(descriptor: int, source: str) -> Iterator[Batch]:
    """Whatever lines can be read without waiting, each time. Raises OSError, with the source's name."""
    number = 1
    unfinished: list[bytes] = []
    while data := _read(descriptor, source):
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            unfinished.append(data)
            continue
        bodies = b"".join([*unfinished, head]).split(b"\n")
        unfinished = [tail]
        yield [_line(source, number + index, body + b"\n") for index, body in enumerate(bodies)]
        number += len(bodies)
    if last := b"".join(unfinished):
        yield [_line(source, number, last)]


def chunks(batches: Iterable[Batch], max_lines: int) -> Iterator[Batch]:
    """Lines for one call each. None waits for lines that are not there yet."""
    for batch in batches:
        yield from calls_of(batch, max_lines, lambda line: len(line.body))


def whole_texts(batches: Iterable[Batch], max_characters: int) -> Iterator[Batch]:
    """All lines as one text, or as several where it would be longer than `max_characters`; a line that is not UTF-8 is
    on its own."""
    together: list[Line] = []
    num_characters = 0
    for line in chain.from_iterable(batches):
        try:
            length = len(line.text) + len(line.end)
        except BadLine:
            length = max_characters + 1
        if together and num_characters + length > max_characters:
            yield [_together(together)]
            together, num_characters = [], 0
        together.append(line)
        num_characters += length
    if together:
        yield [_together(together)]


def calls_of(items: Iterable[_Item], max_items: int, size: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """Lists of items that one call may carry; `size` is an item's in bytes."""
    call: list[_Item] = []
    num_bytes = 0
    for item in items:
        if call and (len(call) == max_items or num_bytes + size(item) > _BYTES_PER_CALL):
            yield call
            call, num_bytes = [], 0
        call.append(item)
        num_bytes += size(item)
    if call:
        yield call


def cut(text: str, max_characters: int, marks: Sequence[str] = PLAIN_CUTS) -> list[str]:
    """Pieces that put together are the text: at most `max_characters` each, and the white space where it was cut."""
    pieces = []
    start = 0
    while len(text) - start > max_characters:
        end = _place_to_cut(text, start, start + max_characters, marks)
        piece = text[start:end].rstrip()
        start += len(piece)
        end = next((at for at in range(start, len(text)) if not text[at].isspace()), len(text))
        pieces += [piece, text[start:end]]
        start = end
    pieces.append(text[start:])
    return [piece for piece in pieces if piece]


def _place_to_cut(text: str, start: int, end: int, marks: Sequence[str]) -> int:
    """The last place in the second half of what may be taken."""
    middle = (start + end) // 2
    found = ((text.rfind(mark, middle, end), mark) for mark in marks)
    return next((at + len(mark) for at, mark in found if at >= 0), end)


def _read(descriptor: int, source: str) -> bytes:
    try:
        return os.read(descriptor, _READ_BYTES)
    except OSError as error:
        raise OSError(error.errno, error.strerror, source) from error


def _line(source: str, number: int, raw: bytes) -> Line:
    start = codecs.BOM_UTF8 if number == 1 and raw.startswith(codecs.BOM_UTF8) else b""
    body = raw[len(start) :].removesuffix(b"\n").removesuffix(b"\r")
    return Line(source, number, start, body, raw[len(start) + len(body) :])


def _together(lines: Sequence[Line]) -> Line:
    first, last = lines[0], lines[-1]
    body = b"".join(line.body + line.end for line in lines).removesuffix(last.end)
    return Line(first.source, first.number, first.start, body, last.end)
