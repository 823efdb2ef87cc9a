import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.seq2seq import EOS
from server.text.alphabet import Alphabet, is_invisible
from server.text.protected import find_protected
from server.text.reading import Reading, read
from server.text.segment import Element, Protected, Segment
from server.text.sentencepieces import SentencePieceTokenizer
from tests.examples import examples
from tests.fakes import all_at_once
from tests.text.step_times import longest_step

TOKENIZER = SentencePieceTokenizer(Path(__file__).parents[2] / "bench" / "small_transformer" / "tokenizer.model", EOS)
"""Of 4,000 pieces, which lack much of what people write."""

ALPHABET = Alphabet(TOKENIZER)


def reading_of(text: str, *do_not_translate: str) -> Reading:
    protected = tuple(all_at_once(find_protected(text, do_not_translate)))
    return all_at_once(read(Segment(text, range(len(text) + 1), protected), ALPHABET))


def where(reading: Reading) -> list[tuple[int, str]]:
    return [(at, span.literal) for at, span in reading.protected]


@pytest.mark.parametrize("text", ["A dog runs.", "L'été, ça va ?", "a", 'He said "no" at 5 - or not.', "A  dog"])
def test_known_text_is_read_as_it_is(text: str) -> None:
    assert reading_of(text) == Reading(text, range(len(text) + 1), (), False, 0)


@pytest.mark.parametrize(
    ("text", "read_text"),
    [
        ("“A dog runs,” he said.", '"A dog runs," he said.'),
        ("„A dog“", '"A dog"'),
        ("A dog — a poodle — runs.", "A dog - a poodle - runs."),
        ("A dog – a poodle", "A dog - a poodle"),
        ("5 ― 6 dogs", "5 - 6 dogs"),
        ("The dog’s house is big.", "The dog's house is big."),
        ("‘A dog’", "'A dog'"),
        ("the dogʼs", "the dog's"),
        ("A dog\u00a0runs\u202fhere\u3000now\u2003.", "A dog runs here now ."),
        ("A\tdog\nruns", "A dog runs"),
        ("A dog runs.\u0000A cat sleeps.", "A dog runs. A cat sleeps."),
        ("A do\u200bg runs.", "A dog runs."),
        ("A dog\u00adhouse is big.", "A doghouse is big."),
        ("\u202eA dog runs.\u202c", "A dog runs."),
        ("\ufeffA d\u200do\u2060g", "A dog"),
        ("Ångström", "Angström"),
        ("smørrebrød", "smorrebrod"),
        ("Łódź", "Lodz"),
        ("Straße", "Strasse"),
        ("Þingvellir", "Thingvellir"),
        ("mañana", "mañana"),
        ("Dvor\u030ca\u0301k", "Dvorak"),
    ],
)
def test_what_the_vocabulary_lacks_is_folded(text: str, read_text: str) -> None:
    reading = reading_of(text)
    assert reading.text == read_text
    assert reading.protected == ()
    assert reading.num_unreadable == 0


@pytest.mark.parametrize("text", ["un cafe\u0301", "\uff21 dog", "a \ufb01ne dog", "wait… what"])
def test_what_the_tokenizer_normalises_itself_is_left_to_it(text: str) -> None:
    assert reading_of(text).text == text


@pytest.mark.parametrize(
    ("text", "read_text", "protected"),
    [
        ("I love dogs 🐶", "I love dogs", [(11, "🐶")]),
        ("🐶 I love dogs", "I love dogs", [(0, "🐶")]),
        ("Visit https://example.com/a for more.", "Visit for more.", [(6, "https://example.com/a")]),
        ("Visit https://example.com/a.", "Visit.", [(5, "https://example.com/a")]),
        ("Hello {0}, you have %s new messages.", "Hello, you have new messages.", [(5, "{0}"), (16, "%s")]),
        ("{0}{1} and {2}", "and", [(0, "{0}"), (0, "{1}"), (3, "{2}")]),
        ("see {0} {1} now", "see now", [(4, "{0}"), (4, "{1}")]),
        ("the {0}s", "the s", [(4, "{0}")]),
        ("dog{0}cat", "dog cat", [(3, "{0}")]),
        ("a dog (https://example.com/a) runs", "a dog runs", [(6, "(https://example.com/a)")]),
        ("the file “{0}” is", "the file is", [(9, "“{0}”")]),
        ('the file "(«{0}»)", yes', "the file, yes", [(8, '"(«{0}»)"')]),
        ("the file (see {0}) is", "the file (see) is", [(13, "{0}")]),
        ("The man says Привет to the dog.", "The man says to the dog.", [(13, "Привет")]),
        ("The man says Привет мир to the dog.", "The man says to the dog.", [(13, "Привет мир")]),
        ("He says «Привет, мир».", "He says.", [(7, "«Привет, мир»")]),
        ("He says у меня 2 собаки now", "He says now", [(8, "у меня 2 собаки")]),
        ("Привет (dog) мир", "(dog)", [(0, "Привет"), (5, "мир")]),
        ("It costs £5.", "It costs.", [(8, "£5")]),
        ("It costs £ and 5 ¥ here", "It costs and here", [(9, "£"), (13, "5 ¥")]),
        ("an area of 5 m² here", "an area of here", [(11, "5 m²")]),
        ("some m² here", "some here", [(5, "m²")]),
        ("10² dogs", "dogs", [(0, "10²")]),
        ("Windows™ is big", "Windows is big", [(7, "™")]),
        ("the word dогs here", "the word here", [(9, "dогs")]),
        ("a ½ dog", "a dog", [(2, "½")]),
        ("the file <{0}> is", "the file is", [(9, "<{0}>")]),
        ("a dog A\u1acf runs", "a dog runs", [(6, "A\u1acf")]),
        ("Click <b>here</b> now", "Click here now", [(6, "<b>"), (10, "</b>")]),
        ("x < y and z", "x y and z", [(2, "<")]),
    ],
)
def test_what_cannot_be_read_or_touched_is_taken_out(
    text: str, read_text: str, protected: list[tuple[int, str]]
) -> None:
    reading = reading_of(text)
    assert (reading.text, where(reading)) == (read_text, protected)


@pytest.mark.parametrize(
    ("text", "num_unreadable"),
    [
        ("I love dogs 🐶", 0),
        ("The man says Привет to the dog.", 6),
        ("The man says Привет мир to.", 9),
        ("It costs £5.", 0),
        ("A dog, see § 5 ¶ runs †.", 3),
        ("A dog has 5‰ of it.", 0),
        ("你好世界", 4),
        ("“A dog”", 0),
        ("a dogж", 1),
    ],
)
def test_code_points_that_cannot_be_read_are_counted(text: str, num_unreadable: int) -> None:
    assert reading_of(text).num_unreadable == num_unreadable


@pytest.mark.parametrize(
    "text",
    [
        *(
            "...",
            "***",
            "-",
            "12:30",
            "😊",
            "你好世界",
            "Привет, мир!",
            "😊 😊",
            "5",
            "2024",
            "5 - 6",
            "https://example.com",
        ),
        *("а", "{0}: {1}", "!?", "…", "", "\u200b", "½", "10 %", "#", "你好。", "—", "\u202e", "“”", "2. 3."),
    ],
)
def test_without_a_letter_that_can_be_read_there_is_nothing_to_translate(text: str) -> None:
    reading = reading_of(text)
    assert reading.text == ""
    assert list(reading.origins) == [0]
    assert reading.protected == ()


@pytest.mark.parametrize(
    ("text", "read_text"),
    [
        ("A DOG RUNS IN THE PARK.", "A dog runs in the park."),
        ("THE DOG OF TOM IS IN BOSTON.", "The dog of Tom is in Boston."),
        ("“DOGS” AND I RUN", '"Dogs" and I run'),
        ("I'M A DOG", "I'm a dog"),
        ("L'ÉTÉ EST LÀ", "L'été est là"),
        ("STOP!", "Stop!"),
        ("EXIT", "Exit"),
        ("OPEN {name} NOW", "Open now"),
        ("THE U.S. ARMY", "The U.S. army"),
        ("3 DOGS RUN", "3 dogs run"),
        ("NO DOGS", "No dogs"),
    ],
)
def test_capitals_are_read_as_small_letters(text: str, read_text: str) -> None:
    reading = reading_of(text)
    assert (reading.text, reading.is_upper) == (read_text, True)


@pytest.mark.parametrize(
    "text", ["A", "I", "USA", "U.S.", "OK", "MP3", "FBI.", "A dog", "NASA flies", "A 5", "iPHONE", "Dog", "a DOG"]
)
def test_abbreviations_and_single_letters_are_not_in_capitals(text: str) -> None:
    reading = reading_of(text)
    assert (reading.text, reading.is_upper) == (text, False)


def test_origins_say_where_every_character_came_from() -> None:
    text = "“A DOĠ” … 🐶 RUNS Straße".replace("Straße", "STRAẞE")
    reading = reading_of(text)
    assert reading.text == '"A dog" … runs strasse'
    assert [text[origin] for origin in reading.origins[:-1]] == list("“A DOĠ” … RUNS STRAẞẞE")
    assert reading.origins[-1] == len(text)


def test_the_end_of_the_text_is_the_end_of_what_is_read() -> None:
    assert list(reading_of("A dog 🐶").origins) == [0, 1, 2, 3, 4, 5]
    assert list(reading_of("🐶 A dog").origins) == [2, 3, 4, 5, 6, 7]


def test_tags_that_stand_alone_keep_their_place_and_cut_no_word() -> None:
    segment = Segment("a dog runs", range(11), (Protected(4, 4, "<wbr>"), Protected(6, 6, "<img>")), is_html=True)
    reading = all_at_once(read(segment, ALPHABET))
    assert reading.text == "a dog runs"
    assert where(reading) == [(4, "<wbr>"), (6, "<img>")]


def test_of_html_what_is_taken_out_is_written_escaped() -> None:
    text = "a dog <Привет> & <{0}> runs"
    segment = Segment(text, range(len(text) + 1), (Protected(18, 21, "{0}"),), is_html=True)
    reading = all_at_once(read(segment, ALPHABET))
    assert where(reading) == [(6, "&lt;Привет&gt;"), (8, "&lt;{0}&gt;")]
    assert reading.text == "a dog & runs"


def test_what_cannot_be_read_does_not_go_over_the_bounds_of_elements() -> None:
    text = "says Привет мир now"
    segment = Segment(text, range(len(text) + 1), elements=(Element(5, 11, "<b>", "</b>"),), is_html=True)
    assert [literal for _, literal in where(all_at_once(read(segment, ALPHABET)))] == ["Привет", "мир"]
    quoted = Segment('says "Привет" now', range(18), elements=(Element(6, 12, "<b>", "</b>"),), is_html=True)
    assert [literal for _, literal in where(all_at_once(read(quoted, ALPHABET)))] == ["Привет"]


def is_visible(character: str) -> bool:
    return not is_invisible(character) and unicodedata.category(character) not in ("Cc", "Mn", "Me")


def check(segment: Segment) -> None:
    reading = all_at_once(read(segment, ALPHABET))
    assert reading == all_at_once(read(segment, ALPHABET))
    text, origins = reading.text, list(reading.origins)
    assert len(origins) == len(text) + 1
    assert origins == sorted(origins)
    assert origins[0] >= 0
    assert origins[-1] <= len(segment.text)
    if not text:
        return
    assert TOKENIZER.has_pieces_for(text)
    assert [at for at, _ in reading.protected] == sorted(at for at, _ in reading.protected)
    assert all(0 <= at <= len(text) for at, _ in reading.protected)
    ends = [0, *(span.end for _, span in reading.protected)]
    assert all(end <= span.start for end, (_, span) in zip(ends, reading.protected, strict=False))
    covered = {*origins, *(at for _, span in reading.protected for at in range(span.start, span.end))}
    lost = [character for at, character in enumerate(segment.text) if at not in covered]
    assert not [character for character in lost if not character.isspace() and is_visible(character)]
    assert not any(origin in range(span.start, span.end) for origin in origins[:-1] for _, span in reading.protected)
    for span in segment.protected:
        assert any(given.start <= span.start <= span.end <= given.end for _, given in reading.protected)


MIXED = st.text(
    st.one_of(
        st.sampled_from("aA dogs.,'\"()«»“”’—…é5-£²Пß\u0301\u200b\u00ad\u200d\ufe0f🐶😊\n\u0000\u00a0你🇫<>"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


@examples(2)
@given(MIXED)
def test_nothing_visible_is_lost_of_any_text(text: str) -> None:
    protected = tuple(all_at_once(find_protected(text, [])))
    check(Segment(text, range(len(text) + 1), protected))


@given(MIXED, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=4))
def test_nothing_visible_is_lost_around_anything_that_is_protected(text: str, places: list[tuple[int, int]]) -> None:
    protected: list[Protected] = []
    for start, length in sorted(places):
        end = min(start + length, len(text))
        if start <= end and start >= (protected[-1].end if protected else 0):
            protected.append(Protected(start, end, text[start:end] or "<br>"))
    check(Segment(text, range(len(text) + 1), tuple(protected)))


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "a",
            "é",
            "e\u0301",
            "\u0301\u0323",
            "П",
            "П ",
            "a П ",
            "£",
            "£5",
            "1",
            "(",
            "(П)",
            "{0}",
            "{0} ",
            "🐶",
            " ",
            "ß",
        ),
        *("\u200b", "你", "A", "A ", "İ", "“", "Пa", "\x00", "a£", "\u200bП", "П,", "П\u0301", "—", "\ud7a3", "\u1100"),
        *("A.", "-", "a\u0301", "{0}П", "{0}£5"),
    ],
)
def test_the_longest_content_of_any_kind_takes_short_steps(kind: str) -> None:
    for text in (kind * (10_000 // len(kind)), "a " + kind * (9_990 // len(kind)) + " b"):
        protected = tuple(all_at_once(find_protected(text, [])))
        segment = Segment(text, range(len(text) + 1), protected)
        longest, total = longest_step(lambda segment=segment: read(segment, ALPHABET))  # type: ignore[misc]
        assert longest < 0.02
        assert total < 0.5
