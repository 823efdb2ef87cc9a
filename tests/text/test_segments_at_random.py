"""Segments of any text: nothing is lost, and nobody has to wait."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.segment import Layout, Protected, Segment
from server.text.segments import Splitting, find_segments, lay_out
from tests.examples import examples
from tests.fakes import all_at_once
from tests.text.step_times import longest_step

SENTENCES = Path("tests/sentences.txt").read_text(encoding="utf-8").splitlines()

texts = st.one_of(
    st.text(max_size=80),
    st.text(alphabet=st.sampled_from("abCD 1.!?…\"') \n\r\t«»([1]-*#>。💡\u0301\u00a0\x85"), max_size=80),
    st.lists(
        st.sampled_from(["A dog.", "Mr. B.", "- ", "1. ", "\n", " ", "J. ", "(", ")", '"', "e.g.", "12", "é"]),
        max_size=20,
    ).map("".join),
)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Protected]]:
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    spans = [Protected(start, end, text[start:end]) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    return text, [span for span in spans if span.start < span.end]


def joined(layout: Layout, content: str) -> Iterator[str]:
    for part in layout:
        yield part if isinstance(part, str) else content[part.start : part.end]


@examples(2)
@given(case=texts_with_spans(), splitting=st.sampled_from(Splitting), language=st.sampled_from(["en", "fr", "xx", ""]))
def test_a_layout_is_lossless(case: tuple[str, list[Protected]], splitting: Splitting, language: str) -> None:
    content, spans = case
    layout = all_at_once(lay_out(content, language, splitting, spans))
    assert "".join(joined(layout, content)) == content
    for part in layout:
        assert part != ""
        if isinstance(part, Segment):
            assert part.text == content[part.start : part.end] == part.text.strip() != ""
            assert list(part.origins) == list(range(part.start, part.end + 1))
            for span in part.protected:
                assert part.text[span.start : span.end] == span.literal != ""
            assert all(a.end <= b.start for a, b in pairwise(part.protected))


@examples(2)
@given(case=texts_with_spans(), splitting=st.sampled_from(Splitting))
def test_no_segment_begins_or_ends_inside_a_protected_text(
    case: tuple[str, list[Protected]], splitting: Splitting
) -> None:
    content, spans = case
    segments = all_at_once(find_segments(content, "en", splitting, spans))
    assert all(content[start:end].strip() == content[start:end] != "" for start, end in segments)
    assert all(first[1] <= second[0] for first, second in pairwise(segments))
    for span in spans:
        inner = content[span.start : span.end].strip()
        start = content.index(inner, span.start)
        boundaries = {boundary for segment in segments for boundary in segment}
        assert not boundaries & set(range(start + 1, start + len(inner)))


NASTY = {
    "dots": "." * 10_000,
    "spaced dots": ". " * 5_000,
    "initials": "a. " * 3_333,
    "capital initials": "A. " * 3_333,
    "one word": "x" * 10_000,
    "one line": ("the dog and " * 1000)[:10_000],
    "sentences": " ".join(SENTENCES * 10)[:10_000],
    "blank lines": "\n" * 10_000,
    "short lines": "a\n" * 5_000,
    "short sentences by line": "a. B\n" * 2_000,
    "marks": "e" + "\u0301" * 9_999,
    "quotes": '"A." ' * 2_000,
    "open quotes": "“A. " * 2_500,
    "nested brackets": "(A. " * 2_500,
    "brackets": "(A.) " * 2_000,
    "at signs": "a@b. C" * 1_666,
    "references": "A.[1] " * 1_666,
    "reference alone": "A. [" + "1" * 9_990,
    "markers": "- " * 5_000,
    "quote markers": ">" * 9_999 + "5",
    "numbers": "1." * 5_000,
    "blanks": "1. " + " " * 9_990 + "12. x",
    "blanks inside": "A." + " " * 9_990 + "B.",
    "emoji": "A! " + "😊" * 9_990 + " B.",
    "ideographs": "犬。" * 5_000,
    "symbols": "A. " + "*" * 9_900 + " B. C",
}


@pytest.mark.parametrize("name", NASTY)
def test_no_text_holds_up_others(name: str) -> None:
    """Fifteen milliseconds, where five in all and two at once are meant, so that a slow machine fails nothing."""
    text = NASTY[name]
    spans = [Protected(at, at + 1, text[at]) for at in range(0, len(text), 3)]
    longest, _ = longest_step(lambda: lay_out(text, "en", Splitting.SENTENCES, spans))
    assert longest < 0.015
