"""What in HTML is written as it was sent: references, elements that are not translated, addresses."""

import pytest

from server.text.html_tokens import forbids_translation
from server.text.markup import lay_out_html
from server.text.segment import Element, Protected, Segment
from server.text.steps import Steps
from tests.text.laid_out_html import check, find_segments, read, run, segment_of, segments_of, shape, written


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("AT&T", "AT&T"),
        ("AT&amp;T", "AT&T"),
        ("a < b", "a < b"),
        ("I <3 you", "I <3 you"),
        ("a &lt; b &gt; c", "a < b > c"),
        ("x &ltb", "x <b"),
        ("&copy2024 &notit; &unknown; &", "©2024 ¬it; &unknown; &"),
        ("&#72;&#x69;&#X21 &#72i", "Hi! Hi"),
        ("&#0;&#xD800;&#x110000;&#" + "9" * 5000 + ";", "\ufffd" * 4),
        ("&#" + "0" * 5000 + "65;", "A"),
        ("a&#1;b", "ab"),
        ("&NotEqualTilde;x", "≂̸x"),
        ("10&nbsp;km", "10\xa0km"),
        ("&nbsp;one\r\n\ttwo&#10;three&nbsp;", "one   two three"),
        ("&#128512; 😀", "😀 😀"),
        ("&quot;It&#39;s&quot;", '"It\'s"'),
    ],
)
def test_references_are_read_as_a_browser_does(source: str, text: str) -> None:
    layout = check(f"<p>{source}</p>")
    assert [part.text for part in layout if isinstance(part, Segment)] == [text]
    assert read(written(layout)) == (["<p []>", "</p>"], "".join(text.split()))


@pytest.mark.parametrize(
    "kept",
    [
        "<p translate=no>One. Two.</p>",
        "<p TRANSLATE='No'>One <p-x>",
        "<div class='a notranslate b'>One.<p>Two.</div>",
        "<div translate=no><div>One.</div>Two.</div>",
        "<pre>One.\n <b>Two.</b></pre>",
        "<script>if (a </b> && '</p>') { '<p>One.</p>' }</script>",
        "<STYLE>p > b { }</style >",
        "<textarea>One. <b>Two.</textarea>",
        "<svg><title>One.</title><path d='x'/></svg>",
        "<svg><style/><path d='x'/></svg>",
        "<iframe><p>One.</p></iframe>",
        "<math><mi>x</mi></math>",
        "<p><code>One.</code> <kbd>Two.</kbd></p>",
        "<!-- <p>One.</p> -->",
        "<!--[if mso]><p>One.</p><![endif]-->",
        "<!-->",
        "<!--->",
        "<![CDATA[ <p>One.</p> ]]>",
        "<?xml version='1.0'?>",
        "<!DOCTYPE html PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
        "<ul><li translate=no>One.<ul><li>Two.</ul><li></ul>",
        "<table><tr><td class=notranslate>One.<tr></table>",
        "<p class=notranslate>One.",
    ],
)
def test_what_is_not_to_be_translated_is_kept_as_it_is(kept: str) -> None:
    assert shape(f"<p>Before.</p>{kept}<p>After.</p>") == ["<p>", "[Before.]", f"</p>{kept}<p>", "[After.]", "</p>"]


@pytest.mark.parametrize(
    ("tag", "is_forbidden"),
    [
        ('<p translate="no">', True),
        ("<p\nTranslate = 'NO'>", True),
        ("<p id=1 translate=no>", True),
        ("<p translate=yes translate=no>", False),
        ("<p translate>", False),
        ('<p title="translate=no">', False),
        ("<p data-translate=no>", False),
        ("<p class=notranslate>", True),
        ('<p class="a notranslate">', True),
        ("<p class='donotranslate'>", False),
        ('<notranslate class="a">', False),
    ],
)
def test_attributes_say_that_nothing_is_translated(tag: str, is_forbidden: bool) -> None:
    assert forbids_translation(tag) == is_forbidden


@pytest.mark.parametrize(
    "kept",
    [
        "<code>a. b</code>",
        '<span class="notranslate">a. b</span>',
        "<span translate=no>a<span>. b</span></span>",
        "<kbd>a. <b>b</b></kbd>",
    ],
)
def test_an_element_that_is_kept_within_a_sentence_is_protected_with_its_words(kept: str) -> None:
    segment = segment_of(f"Use {kept} now.")
    assert segment.text == "Use a. b now."
    assert segment.protected == (Protected(4, 8, kept),)
    assert [segment.text for segment in segments_of(f"{kept} is it. Is {kept}")] == ["a. b is it.", "Is a. b"]


def test_white_space_at_the_ends_of_a_kept_element_is_not_text() -> None:
    segment = segment_of("Use <code> x </code>")
    assert (segment.text, segment.protected) == ("Use x", (Protected(4, 5, "<code> x </code>"),))


def test_an_element_that_is_kept_and_has_no_words_has_no_text() -> None:
    for kept in ("<script>a. b</script>", "<svg><title>a. b</title></svg>", "<code></code>", "<code> </code>"):
        segment = segment_of(f"One{kept} two.")
        assert (segment.text, segment.protected) == ("One two.", (Protected(3, 3, kept),))


def test_an_element_that_is_kept_and_not_closed_ends_with_its_parent() -> None:
    assert shape("<p>Use <code>x</p><p>One.</p>") == ["<p>", "[Use]", " <code>x</p><p>", "[One.]", "</p>"]


def test_addresses_are_protected_as_they_are_in_the_source() -> None:
    segment = segment_of("See https://x.org/?a=1&amp;b=2&c=&#51; now")
    assert segment.protected == (Protected(4, 30, "https://x.org/?a=1&amp;b=2&c=&#51;"),)


def test_a_literal_does_not_become_something_else_by_what_is_written_behind_it() -> None:
    assert segment_of("See https://x.org/?a&lt now").protected == (Protected(4, 21, "https://x.org/?a&lt;"),)
    assert segment_of("See https://x.org/?a&b now").protected == (Protected(4, 22, "https://x.org/?a&amp;b"),)
    assert segment_of("See https://x.org/< now").protected == (Protected(4, 19, "https://x.org/&lt;"),)


def test_a_reference_to_two_code_points_is_protected_whole() -> None:
    def find_second(text: str) -> Steps[list[Protected]]:
        yield
        return [Protected(3, 4, text[3:4])]

    (segment,) = run(lay_out_html("a &NotEqualTilde; b", find_segments, find_second))
    assert isinstance(segment, Segment)
    assert segment.protected == (Protected(2, 4, "&NotEqualTilde;"),)


def test_a_protected_span_has_the_tags_inside_it() -> None:
    mention = '<p>Hello <a href="https://x" class="mention">@<span>anna</span></a>, hi.</p>'
    segment = segment_of(mention)
    assert segment.text == "Hello @anna, hi."
    assert segment.elements == (Element(6, 11, '<a href="https://x" class="mention">', "</a>"),)
    assert segment.protected == (Protected(6, 11, "@<span>anna</span>"),)
    link = '<span class="invisible">https://</span><span>x.org/a</span><span class="invisible">/b</span>'
    segment = segment_of(f"See <a>{link}</a>")
    assert (segment.text, segment.protected) == ("See https://x.org/a/b", (Protected(4, 21, link),))
    assert segment.elements == (Element(4, 21, "<a>", "</a>"),)


def test_a_tag_inside_a_protected_span_leaves_its_partner_alone() -> None:
    segment = segment_of("a <b>see https://x</b>y now")
    assert segment.protected == (Protected(2, 2, "<b>"), Protected(6, 16, "https://x</b>y"))
    assert not segment.elements


def test_a_protected_span_over_a_kept_element_is_one_with_it() -> None:
    segment = segment_of("see https://x/<code>y z</code> now")
    assert segment.protected == (Protected(4, 17, "https://x/<code>y z</code>"),)


def test_a_sentence_end_in_a_protected_span_does_not_cut_it() -> None:
    def find_phrase(text: str) -> Steps[list[Protected]]:
        yield
        return [Protected(2, 7, text[2:7])]

    (segment,) = run(lay_out_html("a b. c d", find_segments, find_phrase))
    assert isinstance(segment, Segment)
    assert segment.text == "a b. c d"
