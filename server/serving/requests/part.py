"""One hypothesis of one segment as text: what the model wrote, with everything put back that was taken out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from server.messages.hypothesis import Hypothesis
from server.serving.requests.parsed import ParsedSegment
from server.text.html_tokens import escape
from server.text.placing import Placed, Translated, place
from server.text.stand_in import StandIn, find_names
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which not all bytes are written."""

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Part:
    text: str
    hypothesis: Hypothesis
    placed: Placed | None = None
    """Where the characters that the model wrote, and the protected spans, are in the text; None where the text is as
    the model wrote it."""


def streams(segment: ParsedSegment) -> bool:
    """Whether the text of a segment's first tokens is what its translation begins with. Where something has to be put
    back, only the whole translation shows where it belongs."""
    return not (segment.reading.protected or segment.segment.elements or segment.reading.is_upper)


def beginning(segment: ParsedSegment, output_ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The text of a streaming segment's first tokens, as far as it is certain: whether a space follows is known with
    the next word."""
    if segment.prefix and len(output_ids) <= len(segment.options.prefix):
        return ""
    text = _written(segment, list(output_ids), tokenizer).rstrip(" " + _UNFINISHED)
    return escape(text) if segment.segment.is_html else text


def finished_part(segment: ParsedSegment, hypothesis: Hypothesis, tokenizer: Tokenizer) -> Steps[Part | None]:
    """A finished hypothesis; the text of one that was given is left empty. None where the model has not copied the
    names that stand in for spans."""
    if segment.given:
        return Part("", hypothesis)
    text = _written(segment, hypothesis.output_ids, tokenizer)
    if segment.stand_ins:
        return _with_spans(text, segment.stand_ins, segment.segment.is_html, hypothesis)
    if streams(segment) and not segment.segment.is_html:
        return Part(text, hypothesis)
    source_spans: Spans = []
    output_spans: Spans = []
    attention = None
    if hypothesis.attention and hypothesis.output_ids:
        _, source_spans = tokenizer.encode_spans(segment.reading.text)
        output_spans = written_spans(segment, hypothesis.output_ids, tokenizer)
        # Without what the end attends to, and what is attended to it: neither is a word.
        attention = np.stack(hypothesis.attention[: len(output_spans)])[:, : len(source_spans)]
        yield
    reading = segment.reading
    placed = yield from place(
        Translated(
            segment.segment,
            reading.text,
            reading.origins,
            reading.protected,
            segment.segment.elements,
            text,
            source_spans,
            output_spans,
            attention,
            reading.is_upper,
            num_given=len(segment.prefix),
            terms=(yield from _find_terms(segment, text, tokenizer)),
        )
    )
    return Part(placed.text, hypothesis, placed)


def _with_spans(text: str, stand_ins: Sequence[StandIn], is_html: bool, hypothesis: Hypothesis) -> Part | None:
    """What the model wrote, the spans in place of the names."""
    starts = find_names(stand_ins, text)
    if starts is None:
        return None
    pieces = [escape(character) if is_html else character for character in text]
    ends = [start + len(one.name) for start, one in zip(starts, stand_ins, strict=True)]
    for start, end, one in zip(starts, ends, stand_ins, strict=True):
        pieces[start:end] = [*[""] * (end - start - 1), one.span.literal]
    offsets = [0, *accumulate(map(len, pieces))]
    spans = tuple((offsets[start], offsets[end]) for start, end in zip(starts, ends, strict=True))
    whole = "".join(pieces)
    return Part(whole, hypothesis, Placed(whole, offsets, spans))


def written_spans(segment: ParsedSegment, output_ids: list[int], tokenizer: Tokenizer) -> Spans:
    """Where each token is in what the model wrote, the prefix in place of its tokens."""
    text, spans = tokenizer.decode_spans(output_ids)
    if not segment.prefix:
        return spans
    num_forced = len(segment.options.prefix)
    shift = len(_written(segment, output_ids, tokenizer)) - len(text)
    return [(0, len(segment.prefix))] * num_forced + [(start + shift, end + shift) for start, end in spans[num_forced:]]


def _find_terms(segment: ParsedSegment, text: str, tokenizer: Tokenizer) -> Steps[Spans]:
    """Where the glossary's terms are in what the model wrote."""
    spans: Spans = []
    for term in {tokenizer.decode(list(term.ids)) for term in segment.options.required_terms}:
        start = text.find(term)
        while start >= 0:
            spans.append((start, start + len(term)))
            start = text.find(term, start + len(term))
            yield
        yield
    return spans


def _written(segment: ParsedSegment, output_ids: list[int], tokenizer: Tokenizer) -> str:
    """What the model wrote, its prefix as it was given."""
    text = tokenizer.decode(output_ids)
    if not segment.prefix:
        return text
    rest = text[len(tokenizer.decode(output_ids[: len(segment.options.prefix)])) :]
    if segment.prefix[-1].isspace():
        rest = rest.lstrip(" ")
    elif rest and not segment.options.prefix:  # nothing of it was read, so that the rest begins a text
        rest = " " + rest
    return segment.prefix + rest
