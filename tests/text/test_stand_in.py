"""Names in place of protected spans."""

from pathlib import Path

import pytest

from server.text.alphabet import Alphabet
from server.text.protected import find_protected
from server.text.reading import Reading, read
from server.text.segment import Segment
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.stand_in import find_names, with_stand_ins
from tests.fakes import all_at_once

TOKENIZER = Path(__file__).parents[2] / "model_repository" / "transformer-en-fr" / "1" / "tokenizer.model"


@pytest.fixture(scope="module")
def alphabet() -> Alphabet:
    return Alphabet(SentencePieceTokenizer(TOKENIZER, eos=2))


def whole(text: str, alphabet: Alphabet, *kept: str) -> Reading | None:
    protected = all_at_once(find_protected(text, kept))
    segment = Segment(text, range(len(text) + 1), tuple(protected))
    return with_stand_ins(all_at_once(read(segment, alphabet)), alphabet)


@pytest.mark.parametrize(
    ("text", "read_text"),
    [
        ("{name} is sleeping.", "Tom is sleeping."),
        ("The man says {name} to the dog.", "The man says Tom to the dog."),
        ("I gave it to {name}.", "I gave it to Tom."),
        ("I gave it to {name}", "I gave it to Tom"),
        ("Hello, {name}!", "Hello, Tom!"),
        ("The man says Привет to the dog.", "The man says Tom to the dog."),
        ("Visit https://example.com/a?b=1 for more.", "Visit Tom for more."),
        ("{name}'s dog runs.", "Tom's dog runs."),
    ],
)
def test_a_name_stands_where_the_span_stood(text: str, read_text: str, alphabet: Alphabet) -> None:
    reading = whole(text, alphabet)
    assert reading
    [stand_in] = reading.carried
    assert reading.text == read_text
    assert stand_in.carrier == "Tom"
    assert len(reading.origins) == len(reading.text) + 1
    assert list(reading.origins) == sorted(reading.origins)
    at = reading.text.index("Tom")
    assert reading.origins[at] == text.index(stand_in.span.literal)


def test_several_spans_have_names_of_their_own(alphabet: Alphabet) -> None:
    reading = whole("{a} says {b} to {c}.", alphabet)
    assert reading
    stand_ins = reading.carried
    first, second, third = (stand_in.carrier for stand_in in stand_ins)
    assert reading.text == f"{first} says {second} to {third}."
    assert len({first, second, third}) == 3
    assert list(reading.origins) == sorted(reading.origins)
    assert len(reading.origins) == len(reading.text) + 1
    assert find_names(stand_ins, f"{first} dit {second} à {third}.") is not None
    assert find_names(stand_ins, f"{second} dit {first} à {third}.") is None
    assert find_names(stand_ins, f"{first} dit à {third}.") is None


@pytest.mark.parametrize(
    "text",
    [
        "A dog runs.",
        "I love dogs 🐶",
        "{a} and {b} and {c} and {d} sleep.",
        "{name} loves 🐶",
        "{a}{b} is sleeping.",
        "{name} IS SLEEPING.",
        "<b>A dog runs.",
    ],
)
def test_what_is_no_word_of_the_sentence_has_no_name_in_its_place(text: str, alphabet: Alphabet) -> None:
    assert whole(text, alphabet) is None


@pytest.mark.parametrize(
    ("output", "position"), [("Tom dort.", 0), ("L'ami de Tom dort.", 9), ("Tomate.", None), ("Il dort.", None)]
)
def test_a_name_counts_where_it_is_copied_once(output: str, position: int | None, alphabet: Alphabet) -> None:
    reading = whole("{name} is sleeping.", alphabet)
    assert reading
    found = find_names(reading.carried, output)
    assert (found.places if found else None) == (None if position is None else ((position, *reading.carried),))
    assert find_names(reading.carried, f"{output} Tom et Tom.") is None


def test_reserved_characters_that_a_model_writes_beside_names_are_left_out(alphabet: Alphabet) -> None:
    reading = whole("{0} is here", alphabet, "{0}")
    assert reading
    name = reading.carried[0].carrier
    found = find_names(reading.carried, f"\ue000 {name} est \ue001ici\ue000")
    assert found
    assert found.text == f"{name} est ici"
    assert [at for at, _ in found.places] == [0]
