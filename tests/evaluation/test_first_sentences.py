from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.first_sentences import DIRECTIONS, FirstSentence, fold, judge, read_first_sentences, report


@pytest.mark.parametrize(("direction", "size"), [("en-fr", 100), ("fr-en", 60)])
def test_every_direction_has_its_sentences_of_eight_kinds_in_about_equal_numbers(direction: str, size: int) -> None:
    sentences = read_first_sentences(direction)
    sizes = Counter(sentence.kind for sentence in sentences)
    assert len(sentences) == len({sentence.source for sentence in sentences}) == size
    assert len(sizes) == 8
    assert max(sizes.values()) - min(sizes.values()) <= 1


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_sentence_has_three_references_that_differ_and_end_as_it_does(direction: str) -> None:
    for _, source, references in read_first_sentences(direction):
        assert len({fold(reference) for reference in references}) == len(references) >= 3, source
        assert all(_end_mark(reference) == _end_mark(source) for reference in references), source


def _end_mark(text: str) -> str:
    return text[-1] if text[-1] in ".!?," else ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Comment ça va ?", "Comment ça va?"),
        ("Comment ça va\u00a0?", "Comment ça va\u202f?"),
        ("Je t’aime.", "Je t'aime."),
        ("Il dit : «\u00a0Bonjour.\u00a0»", 'Il dit: "Bonjour."'),
        ("Il dit “Bonjour.”", 'Il dit "Bonjour."'),
        ("À 10 h 30.", "À 10h30."),
        ("À 20\u00a0h.", "À 20h."),
        ("1\u202f200\u202f€, 50 %", "1200€, 50%"),
        ("1 200 300", "1200300"),
        (" Bonjour. ", "Bonjour."),
    ],
)
def test_spaces_quotes_and_apostrophes_of_any_form_are_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bonjour.", "Bonjour"),
        ("Bonjour.", "bonjour."),
        ("Bonjour.", "Bonjour !"),
        ("Bonjour.", "Bonjour.."),
        ("À demain.", "A demain."),
        ("20 heures", "20heures"),
        ("Il a 25 ans.", "Il a 2 5 ans."),
        ("12 50", "1250"),
        ("3 rues", "3rues"),
        ("Il coûte $25.", "Il coûte$25."),
        ("Je t'aime.", "Je taime."),
    ],
)
def test_all_else_counts(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(alphabet="a 1h?!%€«»’\u00a0\u202f", max_size=20))
def test_a_folded_text_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_a_report_counts_by_kind_and_shows_what_equals_no_reference() -> None:
    sentences = [
        FirstSentence("greetings", "Hi!", ["Salut !"]),
        FirstSentence("greetings", "Hello.", ["Bonjour.", "Salut."]),
        FirstSentence("names", "I am Tom.", ["Je suis Tom."]),
    ]
    judged = judge(sentences, ["Salut\u202f!", "Bonsoir.", "Je suis Tom."])
    assert [one.is_right for one in judged] == [True, False, True]
    lines = report(judged).splitlines()
    assert lines[2:5] == ["| greetings | 1 | 2 |", "| names | 1 | 1 |", "| all | 2 | 3 |"]
    assert lines[-1] == "greetings: Hello. -> Bonsoir."


def test_a_report_of_right_translations_ends_with_its_table() -> None:
    judged = judge([FirstSentence("names", "Tom.", ["Tom."])], ["Tom."])
    assert report(judged).splitlines()[-1] == "| all | 1 | 1 |"
