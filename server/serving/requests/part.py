"""One hypothesis of one segment as text: what the model wrote, with everything put back that was taken out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.messages.hypothesis import Hypothesis
from server.serving.requests.parsed import ParsedSegment
from server.text.carriers import Found, carries_by_pieces, find_carriers, write_spans
from server.text.html_tokens import escape
from server.text.placing import Placed, Translated, place
from server.text.reading import Reading
from server.text.segment import Protected
from server.text.stand_in import find_names
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer, Tokenizers

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which not all bytes are written."""

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Part:
    text: str
    hypothesis: Hypothesis
    offsets: Sequence[int] | None = None
    """For each code point that the model wrote, and for its end, where it is in the text; None where the text is as the
    model wrote it."""
    spans: Sequence[tuple[Protected, int]] = ()
    """The protected spans, and where each begins in the text."""
    is_intact: bool = True
    """Whether the model has carried every span that it was to carry; one that it lost has been put back."""


def streams(segment: ParsedSegment) -> bool:
    """Whether the text of a segment's first tokens is what its translation begins with. Where something has to be put
    back, only the whole translation shows where it belongs."""
    reading = segment.reading
    return not (reading.protected or reading.carried or segment.segment.elements or reading.is_upper)


def beginning(segment: ParsedSegment, output_ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The text of a streaming segment's first tokens, as far as it is certain: whether a space follows is known with
    the next word."""
    if segment.prefix and len(output_ids) <= len(segment.options.prefix):
        return ""
    written = _written(segment, list(output_ids), tokenizer)
    text = find_carriers(written, (), len(segment.prefix)).text.rstrip(" " + _UNFINISHED)
    return escape(text) if segment.segment.is_html else text


def finished_part(segment: ParsedSegment, hypothesis: Hypothesis, tokenizers: Tokenizers) -> Steps[Part | None]:
    """A finished hypothesis; the text of one that was given is left empty. None where the model has not copied the
    names that stand in for spans."""
    if segment.given:
        return Part("", hypothesis)
    written = _written(segment, hypothesis.output_ids, tokenizers.target)
    carried = segment.reading.carried
    if carries_by_pieces(carried):
        found: Found | None = find_carriers(written, carried, len(segment.prefix))
    else:
        found = find_names(carried, written)
    if not found:
        return None
    if streams(segment) and not segment.segment.is_html:
        return Part(found.text, hypothesis, None if found.is_intact else found.offsets)
    yield
    taken_out = _taken_out(segment.reading, found)
    placed = yield from _place(segment, hypothesis, found, taken_out, tokenizers)
    yield
    places = [(placed.offsets[at], placed.offsets[at + len(one.carrier) - 1] + 1, one) for at, one in found.places]
    text, offsets = write_spans(placed.text, places)
    spans = [(span, offsets[start]) for (_, span), (start, _) in zip(taken_out, placed.spans, strict=True)]
    spans += [(one.span, offsets[start]) for start, _, one in places]
    yield
    whole_offsets = list(map(offsets.__getitem__, map(placed.offsets.__getitem__, found.offsets)))
    return Part(text, hypothesis, whole_offsets, spans, found.is_intact)


def _taken_out(reading: Reading, found: Found) -> list[tuple[int, Protected]]:
    """The spans that a translation lacks, in order, and where each stood in what the model read: those that were taken
    out, and those that the model has lost."""
    if not found.lost:
        return list(reading.protected)
    lost = [(reading.text.index(one.carrier), one.span) for one in found.lost]
    return sorted([*reading.protected, *lost], key=lambda placed: placed[1][:2])


def _place(
    segment: ParsedSegment,
    hypothesis: Hypothesis,
    found: Found,
    taken_out: Sequence[tuple[int, Protected]],
    tokenizers: Tokenizers,
) -> Steps[Placed]:
    """What the model wrote, carriers included, with everything put back that it lacks."""
    reading = segment.reading
    source = reading.text
    for one in found.lost:  # it is no word that the model has translated
        source = source.replace(one.carrier, " ")
    source_spans: Spans = []
    output_spans: Spans = []
    attention = None
    if (taken_out or segment.segment.elements) and hypothesis.attention and hypothesis.output_ids:
        _, source_spans = tokenizers.source.encode_spans(reading.text)
        yield
        offsets = found.offsets
        written = written_spans(segment, hypothesis.output_ids, tokenizers.target)
        output_spans = [(offsets[start], offsets[end]) for start, end in written]
        # Without what the end attends to, and what is attended to the source's end and languages: no word is there.
        columns = slice(segment.num_before, segment.num_before + len(source_spans))
        attention = np.stack(hypothesis.attention[: len(output_spans)])[:, columns]
        yield
    return (
        yield from place(
            Translated(
                segment.segment,
                source,
                reading.origins,
                taken_out,
                segment.segment.elements,
                found.text,
                source_spans,
                output_spans,
                attention,
                reading.is_upper,
                num_given=len(segment.prefix),
                terms=(yield from _find_terms(segment, found.text, tokenizers.target)),
            )
        )
    )


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
