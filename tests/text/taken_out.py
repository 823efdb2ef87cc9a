"""Segments whose protected spans and elements are taken out, and what is true of all that is put back."""

import itertools
import re
from dataclasses import replace
from html import escape

import numpy as np

from server.text.alignment import words
from server.text.placing import Placed, Translated
from server.text.segment import Element, Protected, Segment
from tests.fakes import all_at_once

MARKS = re.compile(r"(⟦[^⟧]*⟧|<[a-z][^>]*>|</[a-z]+>)")


def taken_out(marked: str, *, is_html: bool | None = None) -> Translated:
    """A segment whose protected spans are in ⟦ ⟧ and whose elements are in tags; the output is still empty."""
    text = ""
    protected, elements, open_ = list[Protected](), list[Element](), list[int]()
    for part in MARKS.split(marked):
        if part.startswith("⟦"):
            literal = part[1:-1]
            is_tag = literal.startswith("<")
            protected.append(Protected(len(text), len(text) + (0 if is_tag else len(literal)), literal))
            text += "" if is_tag else literal
        elif part.startswith("</"):
            number = open_.pop()
            elements[number] = elements[number]._replace(end=len(text), closing=part)
        elif part.startswith("<"):
            open_.append(len(elements))
            elements.append(Element(len(text), len(text), part, ""))
        else:
            text += part
    if is_html is None:
        is_html = bool(elements)
    segment = Segment(text, range(len(text) + 1), tuple(protected), tuple(elements), is_html)
    return read(segment, collapses=True)


def read(segment: Segment, *, collapses: bool) -> Translated:
    """What a model reads: without protected spans, with one blank or both of those that were around them."""
    text, source, origins, protected, at = segment.text, "", list[int](), list[tuple[int, Protected]](), 0
    for span in segment.protected:
        source, origins = source + text[at : span.start], [*origins, *range(at, span.start)]
        at = span.end
        protected.append((len(source), span))
        if collapses:
            while (not source or source[-1:].isspace()) and text[at : at + 1].isspace():
                at += 1
    source, origins = source + text[at:], [*origins, *range(at, len(text) + 1)]
    return Translated(segment, source, origins, protected, segment.elements, "")


def with_output(translated: Translated, output: str, pairs: str | None = None) -> Translated:
    """pairs: "source-output" words, separated by blanks; words are tokens."""
    if pairs is None:
        return replace(translated, output=output)
    source_words, output_words = all_at_once(words(translated.source)), all_at_once(words(output))
    attention = np.full((len(output_words), len(source_words)), 0.01, np.float32)
    for pair in pairs.split():
        source_word, output_word = map(int, pair.split("-"))
        attention[output_word, source_word] = 0.9
    return replace(
        translated, output=output, source_tokens=source_words, output_tokens=output_words, attention=attention
    )


def check(translated: Translated, result: Placed) -> None:
    """What is true of every result."""
    for (_, span), (start, end) in zip(translated.protected, result.spans, strict=True):
        assert result.text[start:end] == span.literal
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(result.spans))
    offsets = list(result.offsets)
    assert offsets == sorted(offsets)
    assert len(offsets) == len(translated.output) + 1
    assert offsets[-1] <= len(result.text)
    for character, offset in zip(translated.output, offsets, strict=False):
        written = character.upper() if translated.is_upper else character
        written = escape(written, quote=False) if translated.segment.is_html else written
        assert character.isspace() or result.text.startswith(written, offset)
    taken = np.zeros(len(result.text) + 1, int)
    for start, end in result.spans:
        taken[start:end] += 1
    for at, character in enumerate(translated.output):
        if not character.isspace():
            assert not taken[offsets[at]]
            taken[offsets[at]] += 1
