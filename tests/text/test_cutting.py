"""How a sentence that is longer than a model's limit is cut."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.segment import Element, Protected, Segment
from server.text.segments import cut
from tests.examples import examples
from tests.fakes import all_at_once


def whole(text: str, protected: tuple[Protected, ...] = (), elements: tuple[Element, ...] = ()) -> Segment:
    return Segment(text, range(100, 101 + len(text)), protected, elements, is_html=bool(elements))


def words(text: str) -> int:
    """A token is a word or a mark, and an end of sentence."""
    return len(re.findall(r"\w+|[^\w\s]", text)) + 1


def texts(segments: list[Segment]) -> list[str]:
    return [part.text for part in segments]


def test_what_fits_stays_as_it_is() -> None:
    segment = whole("A dog runs.")
    assert all_at_once(cut(segment, words, 5)) == [segment]


@pytest.mark.parametrize(
    ("text", "max_tokens", "parts"),
    [
        (
            "the dog runs in the park, and the cat sleeps at home",
            9,
            ["the dog runs in the park,", "and the cat sleeps at home"],
        ),
        (
            "the dog runs in the park; the cat sleeps at home now",
            9,
            ["the dog runs in the park;", "the cat sleeps at home now"],
        ),
        (
            "the dog runs in the — and the cat sleeps at home so",
            9,
            ["the dog runs in the —", "and the cat sleeps at home so"],
        ),
        (
            "he says “the dog runs,” and the cat sleeps at home",
            10,
            ["he says “the dog runs,”", "and the cat sleeps at home"],
        ),
        (
            "the price is 1,000 or so of the best coins we have",
            9,
            ["the price is 1,000 or so", "of the best coins we have"],
        ),
        ("A dog runs. A cat sleeps at home. He reads.", 9, ["A dog runs.", "A cat sleeps at home.", "He reads."]),
        (
            "one two three four five six seven eight nine ten",
            8,
            ["one two three four five six seven", "eight nine ten"],
        ),
        ("one two  three \n four", 3, ["one two", "three \n four"]),
    ],
)
def test_it_is_cut_at_a_clause_or_else_between_words(text: str, max_tokens: int, parts: list[str]) -> None:
    assert texts(all_at_once(cut(whole(text), words, max_tokens))) == parts


def test_clauses_of_a_script_without_blanks_are_cut_behind_their_marks() -> None:
    assert texts(all_at_once(cut(whole("犬が走る、猫が寝る、鳥が飛ぶ"), len, 11))) == [
        "犬が走る、猫が寝る、",
        "鳥が飛ぶ",
    ]


def test_a_word_longer_than_the_limit_is_cut_between_its_characters() -> None:
    assert texts(all_at_once(cut(whole("e\u0301" * 12), len, 5))) == ["e\u0301" * 2] * 6
    family = "👨‍👩‍👧"
    assert texts(all_at_once(cut(whole(family * 4), len, 12))) == [family * 2] * 2
    assert texts(all_at_once(cut(whole("🇫🇷" * 6), len, 5))) == ["🇫🇷" * 2] * 3


def test_a_character_longer_than_the_limit_is_cut_too() -> None:
    parts = texts(all_at_once(cut(whole("e" + "\u0301" * 30), len, 8)))
    assert "".join(parts) == "e" + "\u0301" * 30
    assert max(map(len, parts)) <= 8


def test_a_limit_below_a_single_character_ends_with_single_characters() -> None:
    assert texts(all_at_once(cut(whole("abc"), lambda text: 3 * len(text), 2))) == ["a", "b", "c"]


def test_parts_know_where_they_are_and_that_they_are_cut() -> None:
    text = "one two three four five six seven eight"
    parts = all_at_once(cut(whole(text), words, 5))
    assert len(parts) == 2
    for part in parts:
        assert part.is_cut
        assert text[part.start - 100 : part.end - 100] == part.text
        assert list(part.origins) == list(range(part.start, part.end + 1))


def test_protected_texts_are_not_cut() -> None:
    text = "one two New York City, of four five"
    span = Protected(8, 21, "New York City")
    parts = all_at_once(cut(whole(text, (span,)), words, 5))
    assert texts(parts) == ["one two", "New York City,", "of four five"]
    assert [part.protected for part in parts] == [(), (Protected(0, 13, "New York City"),), ()]


def test_a_protected_text_longer_than_the_limit_is_cut_with_its_literal() -> None:
    address = "https://example.org/" + "a" * 20
    parts = all_at_once(cut(whole(f"see {address} now", (Protected(4, 44, address),)), len, 15))
    assert "".join(span.literal for part in parts for span in part.protected) == address
    assert all(part.text[span.start : span.end] == span.literal for part in parts for span in part.protected)


def test_a_long_protected_text_with_another_literal_is_written_once() -> None:
    parts = all_at_once(cut(whole("x" * 20, (Protected(0, 20, "<code/>"),)), len, 8))
    assert [span.literal for part in parts for span in part.protected] == ["<code/>", "", ""]


def test_tags_that_stand_alone_stay_where_they_are() -> None:
    text = "one two three four five six"
    points = tuple(Protected(at, at, f"<{at}>") for at in (0, 3, 13, 14, 27))
    parts = all_at_once(cut(whole(text, points), words, 4))
    assert texts(parts) == ["one two three", "four five six"]
    assert [part.protected for part in parts] == [
        (Protected(0, 0, "<0>"), Protected(3, 3, "<3>"), Protected(13, 13, "<13>")),
        (Protected(0, 0, "<14>"), Protected(13, 13, "<27>")),
    ]


def test_an_element_inside_a_part_moves_along_and_one_over_two_parts_becomes_two_points() -> None:
    text = "one two three four five six"
    elements = (
        Element(0, 27, "<p>", "</p>"),
        Element(4, 7, "<b>", "</b>"),
        Element(8, 18, "<i>", "</i>"),
        Element(8, 18, "<u>", "</u>"),
        Element(19, 23, "<a>", "</a>"),
    )
    first, second = all_at_once(cut(whole(text, (), elements), words, 4))
    assert first.elements == (Element(4, 7, "<b>", "</b>"),)
    assert second.elements == (Element(5, 9, "<a>", "</a>"),)
    assert first.protected == (Protected(0, 0, "<p>"), Protected(8, 8, "<i>"), Protected(8, 8, "<u>"))
    assert second.protected == (Protected(4, 4, "</u>"), Protected(4, 4, "</i>"), Protected(13, 13, "</p>"))


def test_an_element_that_ends_with_the_blank_between_two_parts_is_in_one() -> None:
    elements = (Element(4, 14, "<b>", "</b>"), Element(13, 14, "<i>", "</i>"), Element(14, 18, "<u>", "</u>"))
    first, second = all_at_once(cut(whole("one two three four five six", (), elements), words, 4))
    assert first.elements == (Element(4, 13, "<b>", "</b>"),)
    assert second.elements == (Element(0, 4, "<u>", "</u>"),)
    assert [*first.protected, *second.protected] == [Protected(13, 13, "<i></i>")]


def pieces(text: str) -> int:
    """Like a vocabulary's: a word takes one for each four letters, an accented or foreign letter three."""
    return sum(-(-len(word) // 4) + 2 * sum(not char.isascii() for char in word) for word in text.split()) + 1


content = (
    st.text(st.sampled_from("abcde  ,;. -—“”\u0301\u200d😊犬、"), min_size=1, max_size=120).map(str.strip).filter(bool)
)


@examples(2)
@given(text=content, data=st.data(), max_tokens=st.integers(3, 30), count=st.sampled_from([words, pieces, len]))
def test_parts_fit_and_lose_nothing_but_blanks(
    text: str, data: st.DataObject, max_tokens: int, count: Callable[[str], int]
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    spans = tuple(
        Protected(start, end, text[start:end])
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
        if text[start:end] == text[start:end].strip()
    )
    parts = all_at_once(cut(whole(text, spans), count, max_tokens))
    position = 0
    for part in parts:
        assert text[position : part.start - 100].strip() == ""
        assert part.text == text[part.start - 100 : part.end - 100] != ""
        assert count(part.text) <= max_tokens or len(part.text) == 1
        position = part.end - 100
    assert position == len(text)
    kept = "".join(span.literal for part in parts for span in part.protected)
    given_spans = "".join(span.literal for span in spans)
    is_cut = any(count(span.literal) > max_tokens for span in spans)
    assert is_cut or "".join(kept.split()) == "".join(given_spans.split())


@given(text=content, data=st.data())
def test_tags_are_in_the_parts_as_often_as_in_the_segment_and_nested(text: str, data: st.DataObject) -> None:
    elements: list[Element] = []

    def nest(start: int, end: int, depth: int) -> None:
        if depth and data.draw(st.booleans()):
            first, last = sorted(data.draw(st.tuples(st.integers(start, end), st.integers(start, end))))
            elements.append(Element(first, last, f"<{len(elements)}>", f"</{len(elements)}>"))
            nest(first, last, depth - 1)
            nest(last, end, depth - 1)

    nest(0, len(text), 4)
    parts = all_at_once(cut(whole(text, (), tuple(elements)), words, 4))
    opened = [e.opening for part in parts for e in part.elements] + [
        tag for part in parts for span in part.protected for tag in re.findall(r"<\d+>", span.literal)
    ]
    closed = [e.closing for part in parts for e in part.elements] + [
        tag for part in parts for span in part.protected for tag in re.findall(r"</\d+>", span.literal)
    ]
    assert sorted(opened) == sorted(e.opening for e in elements)
    assert sorted(closed) == sorted(e.closing for e in elements)
    open_tags: list[str] = []
    for part in parts:
        for span in part.protected:
            for tag in re.findall(r"</?\d+>", span.literal):
                if tag.startswith("</"):
                    assert open_tags.pop() == tag.replace("/", "")
                else:
                    open_tags.append(tag)
        for element in part.elements:
            assert 0 <= element.start <= element.end <= len(part.text)
    assert open_tags == []


@pytest.mark.parametrize(
    "text",
    [
        "the dog runs, and " * 500 + "so",
        "x" * 10_000,
        "\u0301" * 10_000,
        "x, " * 3_333 + "x",
        ("word " * 100 + "犬" * 300) * 12 + "x",
        "犬" * 5_000 + "word " * 1_000 + "x",
    ],
)
def test_few_characters_are_counted_however_long_the_text_is(text: str) -> None:
    num_counted = longest = 0

    def count(part: str) -> int:
        nonlocal num_counted, longest
        num_counted += len(part)
        longest = max(longest, len(part))
        return pieces(part)

    all_at_once(cut(whole(text), count, 100))
    assert num_counted < 8 * len(text)
    assert longest <= 1_000
