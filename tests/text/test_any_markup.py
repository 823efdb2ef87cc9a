"""HTML of any kind, also broken: nothing of it is lost, and it is laid out in short slices."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.markup import lay_out_html
from server.text.segment import Protected
from server.text.segments import cut
from server.text.steps import Steps
from tests.examples import examples
from tests.text.laid_out_html import (
    PAGE,
    check,
    find_protected,
    find_segments,
    read,
    run,
    segments_of,
    tags_of,
    written,
    written_segment,
)
from tests.text.step_times import longest_step

words = st.sampled_from(
    [
        "a",
        "word",
        " ",
        ". ",
        "\n",
        "é",
        "&amp;",
        "&lt;",
        "&nbsp;",
        "&NotEqualTilde;",
        "1 < 2",
        " & ",
        "@anna",
        "https://x.y ",
    ]
)
inline = st.sampled_from(["b", "i", "a", "span", "code", "x-y", "kbd"])
attributes = st.sampled_from(["", "", ' href="a>b"', " translate=no", " class='notranslate'", ' title="&amp;"'])
blocks = st.sampled_from(["p", "div", "li", "td", "section", "pre"])


def element(names: st.SearchStrategy[str], inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, attribute, content: f"<{name}{attribute}>{content}</{name}>",
        names,
        attributes,
        st.lists(inside, max_size=4).map("".join),
    )


alone = st.sampled_from(["<img src='a.b'>", "<br>", "<!-- <b> -->", "<script>'<p>. '</script>", "<wbr>"])
phrases = st.recursive(words | alone, lambda inside: element(inline, inside), max_leaves=12)
pages = st.lists(phrases | element(blocks, phrases), max_size=6).map("".join)
stray = st.sampled_from(["<b>", "</b>", "<i>", "</i>", "<code>", "</code>", "<p>", "</p>", "<li translate=no>", "<u/>"])
soups = st.lists(words | alone | stray, max_size=25).map("".join)
places = st.lists(st.integers(0, 100), max_size=6)
torn = st.lists(
    st.sampled_from([*"<>/!-?=&;'\" abp#1.", "<b", "</", "<!--", "-->", "&lt", "]]>", "<![CDATA["]), max_size=25
)


@examples(2)
@given(pages | soups)
def test_a_translation_of_html_has_its_tags_and_words(content: str) -> None:
    result = written(check(content))
    assert read(result) == read(content)
    assert tags_of(result) == tags_of(content)


@examples(2)
@given(torn.map("".join))
def test_a_translation_of_broken_html_has_its_tags(content: str) -> None:
    assert tags_of(written(check(content))) == tags_of(content)


@examples(2)
@given(soups, places, places)
def test_sentences_and_addresses_may_be_anywhere(content: str, borders: list[int], edges: list[int]) -> None:
    def find_ranges(text: str, whole: Sequence[Protected]) -> Steps[list[tuple[int, int]]]:
        yield
        return parts_between(borders, text)

    def find_spans(text: str) -> Steps[list[Protected]]:
        yield
        return [Protected(start, end, text[start:end]) for start, end in parts_between(edges, text)]

    result = written(check(content, find_ranges, find_spans))
    assert read(result) == read(content)
    assert tags_of(result) == tags_of(content)


def parts_between(places: list[int], text: str) -> list[tuple[int, int]]:
    inside = sorted({place % (len(text) + 1) for place in places})
    return list(zip(inside[::2], inside[1::2], strict=False))


SIZE = 10_000


NASTY = """
< <a <!-- <! </ <![CDATA[ <!--- & &lt &#1 &NotEqualTilde; <b> <b>x x</b> <p>x <b></b> x<img> <b>x<i>y</b>z</i> <script>
<script></script> <code>x <code>x</code>y <svg> <a_b=" <a_translate_ <a_class=translate_ <a_= <a_x='<'> <b>x._ <b>x_</b>
<li_translate=no><ul> http<b>s://a</b>b_ x._ @x_
"""


@pytest.mark.parametrize("unit", [*(unit.replace("_", " ") for unit in NASTY.split()), "\n", PAGE])
def test_ten_thousand_characters_are_laid_out_in_short_slices(unit: str) -> None:
    content = (unit * SIZE)[:SIZE]
    longest, total = longest_step(lambda: lay_out_html(content, find_segments, find_protected))
    assert longest < 0.015  # 0.002 where nobody else uses the machine
    assert total < 0.2  # what is quadratic takes longer


pieces_of_a_line = st.sampled_from(
    [
        "word",
        "two words",
        "&amp; ",
        "&nbsp;x",
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<img>",
        " ",
        "  ",
        "<u>x</u>",
        " <b> y</b>",
    ]
)


@examples(2)
@given(st.lists(pieces_of_a_line, min_size=8, max_size=50).map("".join))
def test_a_sentence_that_is_cut_has_its_tags(content: str) -> None:
    for segment in segments_of(content):
        text, end = "", segment.start
        for part in run(cut(segment, lambda text: len(text) // 3 + 1, 5)):
            assert end <= part.start <= part.end
            text += content[end : part.start] + written_segment(part)
            end = part.end
        assert end == segment.end
        assert sorted(tags_of(text)) == sorted(tags_of(content[segment.start : end]))
