"""Carriers: what stands for protected spans in what a model reads, so that it takes them to their places by itself.

A span may be a word of its sentence, its subject or its object; a model translates what is left without it as if nobody
were there. So a carrier stands in its place, the model writes the carrier where the span belongs, and then the span is
written there. A model that was trained to has span pieces for that, reserved characters, and they are what this file is
about; for any other model it may be a common name (`stand_in.py`). What has no carrier is taken out of the sentence,
and put back by `placing.py`, and so is what a model has lost.
"""

import enum
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.bundle.span_pieces import RESERVED, is_reserved
from server.text.protected import is_markup
from server.text.segment import Protected, Segment
from server.text.steps import Steps

_WORD = re.compile(r"[^\W_]")
_SPANS_A_STEP = 100


class _Kind(enum.Enum):
    """What a span is in its sentence."""

    WORD = enum.auto()
    """It has letters or digits."""
    SIGN = enum.auto()
    TAG = enum.auto()
    """Of markup, with or without a text; or of emphasis."""


CarriersOf = Callable[[Segment, Sequence[Protected]], Steps[dict[int, str]]]
"""Which of a segment's spans have carriers in what a model reads: the carriers, by the number of their span."""


class Carried(NamedTuple):
    carrier: str
    """What the model reads in the span's place, and is to write where it belongs: a reserved character, or a name."""
    span: Protected


class Found(NamedTuple):
    """The carriers in what a model wrote."""

    text: str
    """What it wrote, without the reserved characters that carry nothing."""
    offsets: Sequence[int]
    """For each code point of what it wrote, and for its end, where that is in the text, ascending."""
    places: tuple[tuple[int, Carried], ...]
    """Where each carrier begins in the text, in the text's order."""
    lost: tuple[Carried, ...] = ()
    """Those that are not in the text."""
    is_intact: bool = True
    """Whether it has written every carrier once, and nothing else that is reserved."""


class WithSpans(NamedTuple):
    """A text with spans in place of their carriers."""

    text: str
    offsets: Sequence[int]
    """For each code point of the text with carriers, and for its end, where that is in this one, ascending."""


def no_carriers(segment: Segment, spans: Sequence[Protected]) -> Steps[dict[int, str]]:
    """Every span is taken out."""
    return {}
    yield


def carriers_of(pieces: Sequence[str]) -> CarriersOf:
    """For a model with these span pieces: which spans it carries.

    A span is carried if it may be a word of its sentence. One with letters or digits may, wherever it stands, but for a
    tag. One without, as an emoji or an arrow, may amid the sentence; before its first and behind its last word it is
    better beside the sentence than in it. If there are more of them than pieces, the first ones are carried.
    """
    if not pieces:
        return no_carriers

    def choose(segment: Segment, spans: Sequence[Protected]) -> Steps[dict[int, str]]:
        kinds: list[_Kind] = []
        for span in spans:
            kinds.append(_kind(segment.text[span.start : span.end]))
            if len(kinds) % _SPANS_A_STEP == 0:
                yield
        first, last = yield from _first_and_last_word(segment.text, spans, kinds)
        chosen: dict[int, str] = {}
        for number, (span, kind) in enumerate(zip(spans, kinds, strict=True)):
            if len(chosen) == len(pieces):
                break
            if kind is _Kind.WORD or (kind is _Kind.SIGN and first < span.start < last):
                chosen[number] = pieces[len(chosen)]
            if number % _SPANS_A_STEP == _SPANS_A_STEP - 1:
                yield
        return chosen

    return choose


def same_carriers(carried: Sequence[Carried]) -> CarriersOf:
    """For a translation that is given, of a source with these carriers: each of its spans has that of the first span of
    the source with the same text that is left."""

    def choose(segment: Segment, spans: Sequence[Protected]) -> Steps[dict[int, str]]:
        left = list(carried)
        chosen: dict[int, str] = {}
        for number, span in enumerate(spans):
            same = next((one for one in left if one.span.literal == span.literal), None)
            if same:
                left.remove(same)
                chosen[number] = same.carrier
            if number % _SPANS_A_STEP == _SPANS_A_STEP - 1:
                yield
        return chosen

    return choose


def find_carriers(written: str, carried: Sequence[Carried], start: int = 0) -> Found:
    """The reserved characters in what a model wrote; those before `start` are not the model's.

    A carrier counts where it is first. All other reserved characters carry nothing, and are left out, with a blank if
    there would be two, or one at an end of the text. Blanks at its end aside, what is known of a text's beginning stays
    so as it grows.
    """
    by_carrier = {one.carrier: one for one in carried}
    places: list[tuple[int, Carried]] = []
    kept: list[str] = []
    offsets: list[int] = []
    end = length = 0
    last = ""
    for match in RESERVED.finditer(written, start):
        at = match.start()
        one = by_carrier.pop(match.group(), None)
        if one:
            places.append((length + at - end, one))
            continue
        kept.append(written[end:at])
        offsets += range(length, length + at - end)
        length += at - end
        last = written[at - 1] if at > end else last
        end = at + 1
        if last in ("", " ") and written[end : end + 1] == " ":
            end += 1
        offsets += [length] * (end - at)
    lost = tuple(by_carrier.values())
    if not end:
        return Found(written, range(len(written) + 1), tuple(places), lost, not lost)
    kept.append(written[end:])
    offsets += range(length, length + len(written) - end + 1)
    text = "".join(kept)
    if end == len(written) and start < length and text[-1] == " ":
        text = text[:-1]
        offsets = [min(offset, len(text)) for offset in offsets]
    return Found(text, offsets, tuple(places), lost, is_intact=False)


def write_spans(text: str, places: Sequence[tuple[int, int, Carried]]) -> WithSpans:
    """Write spans in place of their carriers.

    places: where each carrier begins and ends in the text, in the text's order.
    """
    if not places:
        return WithSpans(text, range(len(text) + 1))
    pieces: list[str] = []
    offsets: list[int] = []
    done = length = 0
    for start, end, (_, span) in places:
        pieces += [text[done:start], span.literal]
        offsets += range(length, length + start - done)
        length += start - done
        offsets += [length] * (end - start)
        length += len(span.literal)
        done = end
    pieces.append(text[done:])
    offsets += range(length, length + len(text) - done + 1)
    return WithSpans("".join(pieces), offsets)


def carries_by_pieces(carried: Sequence[Carried]) -> bool:
    """Whether carriers, which are of one kind, are reserved characters."""
    return all(is_reserved(one.carrier) for one in carried)


def _kind(text: str) -> _Kind:
    if not text or is_markup(text):
        return _Kind.TAG
    return _Kind.WORD if _WORD.search(text) else _Kind.SIGN


def _first_and_last_word(text: str, spans: Sequence[Protected], kinds: Sequence[_Kind]) -> Steps[tuple[int, int]]:
    """Where the first word of a segment's text is, a span that may be a word or one outside of spans, and where one is
    behind which no span is followed by a word."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), len(text)]
    first = last = -1
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        word = _WORD.search(text, start, end)
        places = [word.start()] if word else []
        if number < len(spans) and kinds[number] is _Kind.WORD:
            places.append(end)
        if places:
            first, last = first if first >= 0 else places[0], places[-1]
        if number % _SPANS_A_STEP == _SPANS_A_STEP - 1:
            yield
    return first, last
