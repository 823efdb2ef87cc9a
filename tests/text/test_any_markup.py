"""HTML of any kind, also broken: nothing of it is lost, and it is laid out in short slices."""

import gc
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.text.markup import lay_out_html
from tests.text.laid_out_html import PAGE, check, find_protected, find_segments, read, tags_of, written

words = st.sampled_from(
    ["a", "word", " ", ". ", "\n", "é", "&amp;", "&lt;", "&nbsp;", "1 < 2", " & ", "@anna", "https://x.y "]
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
torn = st.lists(
    st.sampled_from([*"<>/!-?=&;'\" abp#1.", "<b", "</", "<!--", "-->", "&lt", "]]>", "<![CDATA["]), max_size=25
)


@settings(max_examples=300, deadline=None)
@given(pages | soups)
def test_a_translation_of_html_has_its_tags_and_words(content: str) -> None:
    result = written(check(content))
    assert read(result) == read(content)
    assert tags_of(result) == tags_of(content)


@settings(max_examples=300, deadline=None)
@given(torn.map("".join))
def test_a_translation_of_broken_html_has_its_tags(content: str) -> None:
    assert tags_of(written(check(content))) == tags_of(content)


SIZE = 10_000


NASTY = """
< <a <!-- <! </ <![CDATA[ <!--- & &lt &#1 &NotEqualTilde; <b> <b>x x</b> <p>x <b></b> x<img> <b>x<i>y</b>z</i> <script>
<script></script> <code>x <code>x</code>y <svg> <a_b=" <a_translate_ <a_class=translate_ <a_= <a_x='<'> <b>x._ <b>x_</b>
<li_translate=no><ul> http<b>s://a</b>b_ x._ @x_
"""


@pytest.mark.parametrize("unit", [*(unit.replace("_", " ") for unit in NASTY.split()), "\n", PAGE])
def test_ten_thousand_characters_are_laid_out_in_short_slices(unit: str) -> None:
    content = (unit * SIZE)[:SIZE]
    gc.collect()
    gc.disable()  # a collection of the whole test run's objects is no work of the layout
    try:
        longest, whole = (min(seconds) for seconds in zip(*(time_steps(content) for _ in range(3)), strict=True))
    finally:
        gc.enable()
    assert longest < 0.002
    assert whole < 0.1  # with the clock's own time, and on a slow machine; what is quadratic takes longer


def time_steps(content: str) -> tuple[float, float]:
    """Processor seconds of the longest step, and of all."""
    steps = lay_out_html(content, find_segments, find_protected)
    times = [time.thread_time()]
    for _ in steps:
        times.append(time.thread_time())
    times.append(time.thread_time())
    return max(later - earlier for earlier, later in pairwise(times)), times[-1] - times[0]
