import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.alignment import Float32, words
from server.text.placing import Translated, place
from server.text.segment import Element, Protected, Segment
from tests.examples import examples
from tests.fakes import all_at_once
from tests.text.step_times import longest_step
from tests.text.taken_out import check, read, taken_out

texts = st.text(st.sampled_from("ab c5.,-'\"()?«»é你ด\u0301&<_"), max_size=6)
literals = st.sampled_from(["{0}", "http://a.b/?c&d", "😊", "£", "%s", "a b", "<br>"])
"""The last one is a tag, which the segment's text has not."""


@dataclass(frozen=True)
class Built:
    """A segment, and what a translation of HTML and of plain text is that is the same."""

    segment: Segment
    html: str
    plain: str


@st.composite
def built_segments(draw: st.DrawFn, *, has_elements: bool) -> Built:
    parts = texts.map(lambda text: re.sub(r"\s", "", text)) | literals.map(as_protected)
    tokens = [token for token in draw(st.lists(st.lists(parts, min_size=1, max_size=3), max_size=6)) if any(token)]
    if has_elements:  # whether a tag without text is in the element that ends there, nobody knows
        tokens = [[part for part in token if part != as_protected("<br>")] for token in tokens]
        tokens = [token for token in tokens if any(map(text_of, token))]
    for end in (0, -1):  # a segment has no white space at its ends
        while tokens and not any(map(text_of, tokens[end])):
            del tokens[end]
    text, html, plain = "", "", ""
    protected, elements, open_ = list[Protected](), list[Element](), list[int]()
    for left, token in zip(reversed(range(len(tokens))), tokens, strict=True):
        for _ in range(draw(st.integers(0, 2)) if has_elements else 0):
            number = len(elements)
            elements.append(Element(len(text), len(text), f"<x{number}>", f"</x{number}>"))
            html += f"<x{number}>"
            if draw(st.booleans()):
                open_.append(number)
            else:
                html += f"</x{number}>"
                break  # another empty one would be as well inside as behind it
        for part in token:
            if isinstance(part, Protected):
                protected.append(part._replace(start=len(text), end=len(text) + len(text_of(part))))
            text += text_of(part)
            plain += part if isinstance(part, str) else part.literal
            html += escape(part, quote=False) if isinstance(part, str) else part.literal
        while open_ and (not left or draw(st.booleans())):
            number = open_.pop()
            elements[number] = elements[number]._replace(end=len(text))
            html += f"</x{number}>"
        blank = draw(st.sampled_from([" ", " ", "  ", "\u00a0", "\t"])) if left else ""
        text, html, plain = text + blank, html + blank, plain + blank
    return Built(Segment(text, range(len(text) + 1), tuple(protected), tuple(elements), True), html, plain)


def as_protected(literal: str) -> Protected:
    return Protected(0, 0, literal)


def text_of(part: str | Protected) -> str:
    """What a segment's text has of it."""
    if isinstance(part, str):
        return part
    return "" if part.literal.startswith("<") else part.literal


def tokens_of(text: str, bounds: Sequence[int]) -> list[tuple[int, int]]:
    cuts = [0, *sorted({bound % (len(text) + 1) for bound in bounds}), len(text)]
    return list(itertools.pairwise(cuts))


def with_copy(segment: Segment, bounds: Sequence[int], *, collapses: bool, attends: bool) -> Translated:
    """A translation by a model that copies what it reads."""
    translated = read(segment, collapses=collapses)
    tokens = tokens_of(translated.source, bounds)
    attention: Float32 | None = np.eye(len(tokens), dtype=np.float32) if attends else None
    return replace(
        translated, output=translated.source, source_tokens=tokens, output_tokens=tokens, attention=attention
    )


any_bounds = st.lists(st.integers(0, 50), max_size=12)


@examples(2)
@given(built_segments(has_elements=False), any_bounds, st.booleans(), st.booleans())
def test_a_copy_is_the_segment_again(built: Built, bounds: list[int], collapses: bool, attends: bool) -> None:
    segment = replace(built.segment, is_html=False)
    translated = with_copy(segment, bounds, collapses=collapses, attends=attends)
    result = all_at_once(place(translated))
    assert result.text == built.plain
    check(translated, result)


@examples(2)
@given(built_segments(has_elements=True), any_bounds, st.booleans(), st.booleans())
def test_a_copy_of_html_is_the_segment_with_its_tags(
    built: Built, bounds: list[int], collapses: bool, attends: bool
) -> None:
    translated = with_copy(built.segment, bounds, collapses=collapses, attends=attends)
    result = all_at_once(place(translated))
    assert result.text == built.html
    check(translated, result)


def test_a_copy_with_many_spans_is_the_segment_again() -> None:
    translated = taken_out("dog ⟦{0}⟧ cat (⟦%s⟧), " * 400 + "end")
    translated = replace(translated, output=translated.source)
    assert all_at_once(place(translated)).text == translated.segment.text


class Nesting(HTMLParser):
    """Checks that tags close in the order in which they open, and counts them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.closed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.closed.append(tag)


@examples(2)
@given(built_segments(has_elements=True), texts.map(str.strip), any_bounds, st.integers(0, 2**32 - 1), st.booleans())
def test_whatever_the_model_writes_and_attends_to_everything_is_there_once(
    built: Built, output: str, bounds: list[int], seed: int, is_upper: bool
) -> None:
    translated = read(built.segment, collapses=True)
    source_tokens, output_tokens = tokens_of(translated.source, bounds), tokens_of(output, bounds)
    attention = np.random.default_rng(seed).random((len(output_tokens), len(source_tokens)), np.float32)
    translated = replace(
        translated,
        output=output,
        source_tokens=source_tokens,
        output_tokens=output_tokens,
        attention=attention**4,
        is_upper=is_upper,
    )
    result = all_at_once(place(translated))
    check(translated, result)
    parser = Nesting()
    parser.feed(re.sub("|".join(map(re.escape, ["&amp;", "&lt;", "&LT;", "?c&d"])), "", result.text))
    parser.close()
    assert not parser.open
    assert sorted(parser.closed) == sorted(element.opening[1:-1] for element in built.segment.elements)


def random_attention(translated: Translated, output: str) -> Translated:
    source_tokens, output_tokens = all_at_once(words(translated.source)), all_at_once(words(output))
    attention = np.random.default_rng(0).random((len(output_tokens), len(source_tokens)), np.float32)
    return replace(
        translated, output=output, source_tokens=source_tokens, output_tokens=output_tokens, attention=attention
    )


LARGE = {
    "words and spans": random_attention(taken_out("dog ⟦{0}⟧ cat " * 100 + "end"), "chien " * 200),
    "spans alone": random_attention(taken_out("a " + "⟦😊⟧" * 5000), "b"),
    "spans inside a word": random_attention(read(taken_out("a⟦😊⟧" * 4000 + "b").segment, collapses=False), "b" * 4000),
    "tags": random_attention(taken_out("<b>" * 1400 + "dog " * 200 + "</b>" * 1400), "chien " * 200),
    "empty elements": random_attention(taken_out("dog <b></b> " * 800), "chien " * 200),
    "marks": random_attention(taken_out(".⟦😊⟧" * 1000), "." * 1000),
    "one long word": random_attention(taken_out("a" * 5000 + " ⟦😊⟧ b", is_html=True), "b" * 10000),
}


@pytest.mark.parametrize("name", LARGE)
def test_work_is_cut_into_short_steps(name: str) -> None:
    longest, _ = longest_step(lambda: place(LARGE[name]))
    assert longest < 0.015  # 0.001 where nobody else uses the machine
