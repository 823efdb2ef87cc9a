"""HTML as sentences with the tags that stand in them."""

import dataclasses
import re

import pytest

from server.text.html_tokens import escape
from server.text.markup import write_untranslated
from server.text.segment import Element, Protected, Segment
from tests.text.laid_out_html import (
    PAGE,
    check,
    lay_out,
    read,
    run,
    segment_of,
    segments_of,
    shape,
    tags_of,
    texts,
    written,
)


def test_a_page_is_its_sentences_between_markup_that_is_kept_as_it_is() -> None:
    assert texts(PAGE) == [
        "Our dogs",
        "Meet our dogs",
        "This is Rex, a very big dog.",
        "He likes to run & to swim.",
        "He is 3 years old.",
        "He eats Wuff™ every day.",
        "He sleeps a lot.",
        "Age",
        "3",
        "Name",
        "Rex",
    ]
    assert read(written(check(PAGE))) == read(PAGE)


def test_a_sentence_is_not_cut_at_its_tags() -> None:
    (segment,) = segments_of('<p>This is <a href="/x?a=1&amp;b=2">Rex</a>, a <b>very</b> big dog.</p>')
    assert segment.text == "This is Rex, a very big dog."
    assert segment.elements == (Element(8, 11, '<a href="/x?a=1&amp;b=2">', "</a>"), Element(15, 19, "<b>", "</b>"))
    assert not segment.protected


def test_origins_lead_from_the_text_to_the_source_past_tags_and_references() -> None:
    segment = segment_of("<p><b>A</b>&amp;<i>é</i>b</p>")
    assert segment.text == "A&éb"
    assert list(segment.origins) == [3, 11, 19, 24, 25]
    two_of_one_reference = segment_of("<p>&NotEqualTilde;b</p>")
    assert list(two_of_one_reference.origins) == [3, 18, 18, 19]


def test_tags_around_a_sentence_are_outside_of_it() -> None:
    assert shape("<p><b>All of it.</b></p>") == ["<p><b>", "[All of it.]", "</b></p>"]
    assert shape("<b>One. Two.</b>") == ["<b>", "[One.]", " ", "[Two.]", "</b>"]
    assert shape("<i>One. </i><b>Two.</b>") == ["<i>", "[One.]", " </i><b>", "[Two.]", "</b>"]


def test_an_element_at_the_edge_of_a_sentence_belongs_to_it_whole() -> None:
    assert shape("A. <b>C</b> d. E") == ["[A.]", " ", "[C d.]", " ", "[E]"]
    assert [segment.elements for segment in segments_of("A. <b>C</b> d. E <i>f</i>")] == [
        (),
        (Element(0, 1, "<b>", "</b>"),),
        (Element(2, 3, "<i>", "</i>"),),
    ]


def test_an_element_over_a_sentence_end_leaves_its_tags_where_they_are() -> None:
    first, second = segments_of("One <b>two. Three</b> four.")
    assert first.protected == (Protected(4, 4, "<b>"),)
    assert second.protected == (Protected(5, 5, "</b>"),)
    assert not first.elements
    assert not second.elements


def test_of_equal_elements_the_outer_one_is_first() -> None:
    segment = segment_of("x <a><b>y</b></a> z")
    assert segment.elements == (Element(2, 3, "<a>", "</a>"), Element(2, 3, "<b>", "</b>"))


@pytest.mark.parametrize(
    "content",
    [
        "<p>x <b>one <i>two</b> three</i> four",
        "<p>x <b>one",
        "<p>x </b>one",
        "x <u>one <b>two <i>three</u> four</b> five</i> y",
    ],
)
def test_tags_without_a_right_partner_stand_alone(content: str) -> None:
    (segment,) = (part for part in check(content) if isinstance(part, Segment))
    assert not segment.elements
    inline = [tag for tag in tags_of(content) if tag not in ("<p>", "</p>")]
    assert [each.literal for each in segment.protected] == inline


def test_an_unclosed_tag_in_an_element_does_not_break_it() -> None:
    segment = segment_of("a <b>c <i>d</b> e")
    assert segment.elements == (Element(2, 5, "<b>", "</b>"),)
    assert segment.protected == (Protected(4, 4, "<i>"),)


def test_a_part_of_a_word_can_be_emphasised() -> None:
    segment = segment_of("a <b>w</b>ord")
    assert (segment.text, segment.elements) == ("a word", (Element(2, 3, "<b>", "</b>"),))


def test_tags_are_read_in_any_case_and_kept_as_they_are() -> None:
    segment = segment_of('<P>a <B Class="X">c</b > d</P\n>')
    assert segment.elements == (Element(2, 3, '<B Class="X">', "</b >"),)


def test_images_breaks_of_words_and_comments_have_no_text() -> None:
    segment = segment_of('see <img alt="a > b" src=x/> super<wbr>fast<!-- <b>no</b> --> cars')
    assert segment.text == "see  superfast cars"
    assert segment.protected == (
        Protected(4, 4, '<img alt="a > b" src=x/>'),
        Protected(10, 10, "<wbr>"),
        Protected(14, 14, "<!-- <b>no</b> -->"),
    )


def test_an_element_without_words_is_one_thing() -> None:
    assert segment_of('x <i class="fa"></i> y').protected == (Protected(2, 2, '<i class="fa"></i>'),)
    assert segment_of("x <a><img><!-- --></a> y").protected == (Protected(2, 2, "<a><img><!-- --></a>"),)
    assert segment_of("x<b> </b>y").protected == (Protected(1, 1, "<b>"), Protected(2, 2, "</b>"))


def test_what_stands_at_the_inner_edge_of_an_element_stays_inside() -> None:
    segment = segment_of("w <a><img>x <b>y</b><br-x></a> z")
    assert segment.elements == (Element(2, 5, "<a><img>", "<br-x></a>"), Element(4, 5, "<b>", "</b>"))
    assert not segment.protected


@pytest.mark.parametrize("name", ["br", "hr", "li", "td", "h2", "div", "section", "option", "dt", "BR"])
def test_blocks_part_sentences(name: str) -> None:
    assert texts(f"One <b>x</b> <{name} class='a > b'>two </{name}>three") == ["One x", "two", "three"]


def test_unknown_elements_do_not_part_sentences() -> None:
    assert segment_of("a <x-tag>c</x-tag> d").elements == (Element(2, 3, "<x-tag>", "</x-tag>"),)
    assert segment_of('a <x id="1"/> d <g/>e').protected == (Protected(2, 2, '<x id="1"/>'), Protected(5, 5, "<g/>"))


def test_what_is_cut_off_at_the_end_is_kept() -> None:
    for end in ("<", "</", "<a", '<a href="x', "<!-- x", "<!", "</a", "<script>x", "&", "&am", "<![CDATA[ x"):
        content = f"<p>One <b>two</b> {end}"
        layout = check(content)
        assert tags_of(written(layout)) == tags_of(content)


def test_contents_without_words_have_no_segments() -> None:
    for content in ("", " ", "<p></p>", "<p>&nbsp;</p>\n", "<!-- x -->", "<b> <img> </b>", "<code>x</code>"):
        assert not segments_of(content)
        assert "".join(shape(content)) == content


def test_escaped_text_has_its_quotation_marks() -> None:
    assert escape("\"a\" < 'b' & c > d") == "\"a\" &lt; 'b' &amp; c &gt; d"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<i>dog</i> &amp; <b>dog</b>", "<i>X</i> &amp; <b>X</b>"),
        ("the <b>big <i>dog</i></b> <img> &lt; 5", "the <b>X</b><i></i> <img> &lt; 5"),
        ("<u>dog</u><br>", "<u>X</u><br>"),
        ("big dog", "X"),
        ("a big <b>dog</b>!", "a X<b></b>!"),
        ("a <b>big</b> dog!", "a <b>X</b>!"),
        ("a <b>big</b> <i>dog</i>!", "a <b>X</b><i></i>!"),
        ("<b>a big</b> dog, dog", "<b>a X</b>, X"),
    ],
)
def test_what_is_not_translated_is_written_with_its_tags(content: str, expected: str) -> None:
    layout = lay_out(content)
    for number, part in enumerate(layout):
        if isinstance(part, Segment):
            terms = [Protected(*match.span(), "X") for match in re.finditer("(?:big )?dog", part.text)]
            protected = tuple(sorted([*part.protected, *terms]))
            layout[number] = run(write_untranslated(dataclasses.replace(part, protected=protected)))
    assert "".join(map(str, layout)) == expected
