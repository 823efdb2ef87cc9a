"""What stands for protected spans in what a model reads, and what becomes of it in what the model writes."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.span_pieces import RESERVED, span_pieces, without_reserved
from server.text.alphabet import Alphabet
from server.text.carriers import Carried, carriers_of, find_carriers, same_carriers, write_spans
from server.text.protected import find_protected
from server.text.reading import Reading, read
from server.text.segment import Protected, Segment
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import EOS, all_at_once
from tests.small_models import SPAN_PIECES
from tests.text.step_times import longest_step

A, B, C, D = SPAN_PIECES


@pytest.fixture(scope="module")
def carrying(carrying_tokenizer: Path) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(carrying_tokenizer, EOS)


@pytest.fixture(scope="module")
def alphabet(carrying: SentencePieceTokenizer) -> Alphabet:
    return Alphabet(carrying)


def segment_of(text: str) -> Segment:
    return Segment(text, range(len(text) + 1), tuple(all_at_once(find_protected(text, ()))))


def reading_of(text: str, alphabet: Alphabet) -> Reading:
    return all_at_once(read(segment_of(text), alphabet, carriers_of(SPAN_PIECES)))


@pytest.mark.parametrize(
    ("text", "read_text"),
    [
        ("{name} is late.", f"{A} is late."),
        ("See https://example.com/a?b=1", f"See {A}"),
        ("See (https://example.com/a).", f"See {A}."),
        ("The man and {a}, {b} are late.", f"The man and {A}, {B} are late."),
        ("{a}{b} is late.", f"{A}{B} is late."),
        ("{name}'s dog is late.", f"{A}'s dog is late."),
        ("The dog 👍 the cat.", f"The dog {A} the cat."),
        ("The dog 👍 {name}.", f"The dog {A} {B}."),
        ("👍 The dog.", "The dog."),
        ("The dog 👍!", "The dog!"),
        ("👍 {name} is late 👍 -> ...", f"{A} is late..."),
        ("The <b>dog</b> is late.", "The dog is late."),
        ("The <%= dog %> is late.", f"The {A} is late."),
        ("The мир, 12:30.", f"The {A}, {B}."),
        ("The man is late.", "The man is late."),
        ("12:30 {name}", ""),
        (f"The {B} man {A} is {{c}} late", f"The {A} man {B} is {C} late"),
        ("a a{x}b is", f"a a{A}b is"),
        ("{a} {b} {c} {d} {e} is", f"{A} {B} {C} {D} is"),
        ("{name} ATE LATE, {b}.", f"{A} ate late, {B}."),
        ("ATE {name}!", f"Ate {A}!"),
    ],
)
def test_a_span_that_may_be_a_word_of_its_sentence_is_carried(text: str, read_text: str, alphabet: Alphabet) -> None:
    reading = reading_of(text, alphabet)
    assert reading.text == read_text
    assert [one.carrier for one in reading.carried] == [*filter(RESERVED.match, read_text)]
    for one in reading.carried:
        assert reading.origins[reading.text.index(one.carrier)] == one.span.start
        assert one.span.literal == text[one.span.start : one.span.end]
    assert list(reading.origins) == sorted(reading.origins)
    assert len(reading.origins) == len(reading.text) + 1


@given(st.lists(st.sampled_from(["{a}", "👍", " ", "man", ".", "12:30", "<b>", A, "é", "мир", "EXIT"]), max_size=20))
def test_every_span_is_carried_or_taken_out_once_and_in_order(alphabet: Alphabet, parts: list[str]) -> None:
    segment = segment_of("".join(parts).strip())
    reading = all_at_once(read(segment, alphabet, carriers_of(SPAN_PIECES)))
    without = all_at_once(read(segment, alphabet))
    assert [one.carrier for one in reading.carried] == list(SPAN_PIECES[: len(reading.carried)])
    assert [character for character in reading.text if RESERVED.match(character)] == [
        one.carrier for one in reading.carried
    ]
    spans = [*(one.span for one in reading.carried), *(span for _, span in reading.protected)]
    assert sorted(spans) == [span for _, span in without.protected]
    assert RESERVED.sub("", reading.text).split() == without.text.split() or reading.carried
    assert list(reading.origins) == sorted(reading.origins)
    assert reading.is_upper == without.is_upper


def test_a_given_translation_has_the_carriers_of_the_same_texts(alphabet: Alphabet) -> None:
    source = reading_of("{a} and {b} and {a} are late.", alphabet)
    target = segment_of("{b} and {a} and {c} are late, {a}, {a}.")
    reading = all_at_once(read(target, alphabet, same_carriers(source.carried)))
    assert reading.text == f"{B} and {A} and are late, {C},."


def carried(carriers: str) -> list[Carried]:
    return [
        Carried(carrier, Protected(number, number + 1, f"<{number}{carrier}>"))
        for number, carrier in enumerate(carriers)
    ]


@pytest.mark.parametrize(
    ("written", "carriers", "text", "lost"),
    [
        ("a b", "", "a b", ""),
        (f"a {A} b", A, f"a {A} b", ""),
        (f"{B} a {A}", A + B, f"{B} a {A}", ""),
        ("a b", A + B, "a b", A + B),
        (f"a {A} {A} b", A, f"a {A} b", ""),
        (f"{B} a {B} b {B}", "", "a b", ""),
        (f"a{B}b", "", "ab", ""),
        (f"a {B}b{B} c", "", "a b c", ""),
        (f"a {B} {B} {B} b", "", "a b", ""),
        (f"a b {B} {B}", "", "a b", ""),
        (f"{B} {B}", "", "", ""),
        (f"{A}{A}{A}", A, A, ""),
    ],
)
def test_what_a_model_wrote_has_every_carrier_once(written: str, carriers: str, text: str, lost: str) -> None:
    found = find_carriers(written, carried(carriers))
    assert (found.text, "".join(one.carrier for one in found.lost)) == (text, lost)
    assert found.is_intact == (written == text and not lost)


@given(st.text(f"ab {A}{B}{C}", max_size=30), st.sampled_from(["", A, A + B]), st.integers(0, 5))
def test_offsets_and_places_are_those_of_the_text(written: str, carriers: str, start: int) -> None:
    start = min(start, len(written))
    found = find_carriers(written, carried(carriers), start)
    assert found.text.startswith(written[:start])
    offsets = list(found.offsets)
    assert offsets == sorted(offsets)
    assert len(offsets) == len(written) + 1
    assert offsets[-1] == len(found.text)
    for (at, character), offset in zip(enumerate(written), offsets, strict=False):
        if at < start or not RESERVED.match(character):
            assert character == " " or found.text[offset] == character
    assert [at for at, _ in found.places] == [
        at for at, character in enumerate(found.text) if at >= start and RESERVED.match(character)
    ]
    assert all(found.text[at] == one.carrier for at, one in found.places)
    assert {one.carrier for one in found.lost} | {one.carrier for _, one in found.places} == set(carriers)


@given(st.text(f"ab {A}{B}", max_size=30).filter(lambda text: not text.startswith(" ")))
def test_a_beginning_stays_as_a_text_grows(written: str) -> None:
    written = " ".join(written.split())  # as a tokenizer decodes
    texts = [find_carriers(written[:end], ()).text.rstrip() for end in range(len(written) + 1)]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))


@given(st.lists(st.text("ab ", max_size=4), min_size=1, max_size=6))
def test_spans_are_written_in_place_of_their_carriers(between: list[str]) -> None:
    ones = carried("".join(itertools.islice(itertools.cycle(SPAN_PIECES), len(between) - 1)))
    text, places = between[0], []
    for one, following in zip(ones, between[1:], strict=True):
        places.append((len(text), len(text) + 1, one))
        text += one.carrier + following
    written = write_spans(text, places)
    pairs = zip(between, [*(one.span.literal for one in ones), ""], strict=True)
    assert written.text == "".join(itertools.chain.from_iterable(pairs))
    assert len(written.offsets) == len(text) + 1
    for start, _, one in places:
        assert written.text.startswith(one.span.literal, written.offsets[start])


def test_no_vocabulary_makes_reserved_characters_readable(alphabet: Alphabet, carrying: SentencePieceTokenizer) -> None:
    assert span_pieces(carrying.names) == SPAN_PIECES
    for character in (*SPAN_PIECES, "\ue004", "\uf8ff", f"{A}\u0301"):
        assert alphabet.lacks(character)
        assert not alphabet.has_all(character)
    for text in (A, f"a{A}b", f" {A} "):
        ids = carrying.encode(without_reserved(text))
        assert not any(RESERVED.search(carrying.names[id_]) for id_ in ids)


def test_span_pieces_are_those_in_a_row_from_the_first() -> None:
    assert span_pieces(["a", "\ue001", "\ue000", "\ue003"]) == ("\ue000", "\ue001")
    assert span_pieces(["a", "\ue001"]) == ()
    assert len(span_pieces(map(chr, range(0xE000, 0xF900)))) == 0x1900


@pytest.mark.parametrize("part", ["{a} ", "👍 a ", "👍", "<b>", "мир, ", A, f"{A}."])
def test_choosing_takes_short_steps(part: str, alphabet: Alphabet) -> None:
    text = ("a " + part * (10_000 // len(part)))[:10_000].strip()
    segment = segment_of(text)
    longest, _ = longest_step(lambda: read(segment, alphabet, carriers_of(SPAN_PIECES)))
    assert longest < 0.015  # a millisecond where nobody else uses the machine
    spans = [Protected(at, at + 1, text[at]) for at in range(len(text))]
    longest, total = longest_step(lambda: carriers_of(SPAN_PIECES)(segment, spans))
    assert longest < 0.015  # a millisecond where nobody else uses the machine
    assert total < 0.1
