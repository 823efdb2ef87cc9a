import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.alignment import align, kind, words
from tests.fakes import all_at_once


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in all_at_once(words(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("A dog runs.", ["A", "dog", "runs", "."]),
        ("l'homme d’à-côté", ["l'homme", "d’à-côté"]),
        ("'dogs' -x- a--b", ["'", "dogs", "'", "-", "x", "-", "a", "-", "-", "b"]),
        ("3.5 12:30 1,000. 5,", ["3.5", "12:30", "1,000", ".", "5", ","]),
        ("a.b 3.b", ["a", ".", "b", "3", ".", "b"]),
        ("(«?»)", ["(", "«", "?", "»", ")"]),
        ("snake_case", ["snake", "_", "case"]),
        ("你好，世界", ["你", "好", "，", "世", "界"]),
        ("日本go語", ["日", "本", "go", "語"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("e\u0301te\u0301 x", ["e\u0301te\u0301", "x"]),
        ("\u200ba\u200bb\u00ad \x00c", ["a\u200bb\u00ad", "c"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("\u0301", ["\u0301"]),
    ],
)
def test_words_are_letters_with_what_is_inside_them_and_single_marks(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text(st.sampled_from("ab1 .,'-你\u0301\u200b\n_😊")))
def test_words_are_in_order_and_have_all_that_is_visible(text: str) -> None:
    spans = all_at_once(words(text))
    assert all(start < end for start, end in spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert "".join(split(text)).replace("\u200b", "") == "".join(text.split()).replace("\u200b", "")


@pytest.mark.parametrize(("mark", "other"), [("“", "»"), ('"', "「"), ("。", "."), ("，", ","), ("—", "-"), ("؟", "?")])
def test_marks_of_other_scripts_are_of_one_kind(mark: str, other: str) -> None:
    assert kind(mark) == kind(other) != ""


def aligned(source: str, output: str, attention: list[list[float]] | None) -> list[int]:
    source_words, output_words = all_at_once(words(source)), all_at_once(words(output))
    weights = None if attention is None else np.array(attention, np.float32)
    steps = align(source, source_words, output, output_words, source_words, output_words, weights)
    return [int(word) for word in all_at_once(steps).best]


def test_a_word_is_aligned_to_what_it_attends_to_most() -> None:
    assert aligned("red car", "voiture rouge", [[0.2, 0.8], [0.7, 0.3]]) == [1, 0]


def test_without_attention_words_are_aligned_by_relative_position() -> None:
    assert aligned("a b c d", "w x y z", None) == [0, 1, 2, 3]
    assert aligned("a b", "w x y z", None) == [0, 0, 1, 1]


def test_marks_are_aligned_to_marks_of_their_kind_and_words_to_words() -> None:
    assert aligned("yes, dogs.", "oui, chiens.", [[0, 0, 0, 1]] * 4)[1::2] == [1, 3]
    assert aligned("yes, dogs.", "oui, chiens.", [[0.1, 0, 0.2, 1]] * 4)[::2] == [2, 2]
    assert aligned("5 %", "5 pour cent", [[1, 0], [0, 1], [0, 1]]) == [0, 1, 1]


def test_the_alignment_of_nothing_is_nothing() -> None:
    assert aligned("", "a b", None) == [-1, -1]
    assert aligned("a", "", None) == []


def test_a_words_tokens_count_together() -> None:
    # dog|house -> che|nil: each token alone attends most to another word
    attention = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3]], np.float32)
    tokens = [(0, 1), (2, 5), (5, 10)], [(0, 3), (3, 6)]
    pairs = align("a doghouse", [(0, 1), (2, 10)], "chenil", [(0, 6)], *tokens, attention)
    assert all_at_once(pairs).best.tolist() == [1]


def test_the_attention_to_the_sources_end_does_not_count() -> None:
    attention = np.array([[0.2, 0.1, 0.7]], np.float32)
    pairs = align("a b", [(0, 1), (2, 3)], "c", [(0, 1)], [(0, 1), (1, 3)], [(0, 1)], attention)
    assert all_at_once(pairs).best.tolist() == [0]
