import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.pieces import Pieces
from tests.decoding.constrained_scores import (
    EOS,
    MAX_OUTPUT,
    UNKNOWN,
    VOCABULARY_SIZE,
    allowed,
    constrained,
    scores_of,
    written_at_random,
)


def test_no_translation_contains_padding_unknown_or_a_second_beginning() -> None:
    assert allowed(constrained([4])) == [EOS, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("min_output_tokens", [0, 1])
def test_the_end_is_never_the_first_token(min_output_tokens: int) -> None:
    assert allowed(constrained([], min_output_tokens=min_output_tokens)) == [4, 5, 6, 7, 8]


def test_where_all_words_are_forbidden_a_translation_may_begin_with_nothing() -> None:
    pieces = Pieces(["", "", "", "", *["▁a"] * 5])
    assert allowed(constrained([], pieces=pieces, forbidden_phrases=("a",))) == []


def test_without_options_the_other_scores_stay_as_they_are() -> None:
    scores = scores_of([-9.0] * 4 + [-0.5, -1.5])
    assert constrained([4, 4, 4], scores.copy())[EOS:].tolist() == scores[EOS:].tolist()


def test_a_prefix_is_written_token_by_token_and_then_all_is_free() -> None:
    for position, id_ in enumerate((5, 6, 5)):
        assert allowed(constrained((5, 6, 5)[:position], prefix=(5, 6, 5))) == [id_]
    assert allowed(constrained((5, 6, 5), prefix=(5, 6, 5))) == [EOS, 4, 5, 6, 7, 8]


def test_a_prefix_wins_over_all_that_is_forbidden() -> None:
    pieces = Pieces(["", "", "", "", "", "▁pain", "", "", ""])
    options: dict[str, Any] = {
        "prefix": (5, 5, EOS, UNKNOWN),
        "min_output_tokens": 9,
        "no_repeat_ngram_size": 1,
        "repetition_penalty": 5.0,
        "forbidden_phrases": ("pain",),
    }
    for position, id_ in enumerate((5, 5, EOS, UNKNOWN)):
        scores = constrained((5, 5, EOS, UNKNOWN)[:position], pieces=pieces, **options)
        assert allowed(scores) == [id_]
        assert scores[id_] == -1.0, "what is forced costs what the model says"


def test_what_a_prefix_has_written_counts_for_what_follows() -> None:
    assert allowed(constrained((5, 6), prefix=(5, 6), no_repeat_ngram_size=1)) == [EOS, 4, 7, 8]


def test_there_is_no_end_before_the_fewest_tokens() -> None:
    assert EOS not in allowed(constrained([4, 4], min_output_tokens=3))
    assert EOS in allowed(constrained([4, 4, 4], min_output_tokens=3))


@pytest.mark.parametrize(
    ("output_ids", "size", "forbidden"),
    [
        ([4, 5, 4], 2, [5]),
        ([4, 5, 4, 6, 4], 2, [5, 6]),
        ([4, 5], 2, []),
        ([4, 4], 2, [4]),
        ([4, 5, 6, 4, 5], 3, [6]),
        ([4, 5, 6, 5], 3, []),
        ([4, 5], 1, [4, 5]),
        ([4], 2, []),
        ([], 1, []),
    ],
)
def test_tokens_that_would_write_an_ngram_twice_are_forbidden_and_no_others(
    output_ids: list[int], size: int, forbidden: list[int]
) -> None:
    scores = constrained(output_ids, no_repeat_ngram_size=size)
    first = EOS if output_ids else EOS + 1
    assert allowed(scores) == [id_ for id_ in range(first, VOCABULARY_SIZE) if id_ not in forbidden]


@given(seed=st.integers(0, 10_000), size=st.integers(1, 4))
def test_no_ngram_is_written_twice(seed: int, size: int) -> None:
    output = written_at_random(seed, no_repeat_ngram_size=size)
    ngrams = [tuple(output[at : at + size]) for at in range(len(output) - size + 1)]
    assert len(ngrams) == len(set(ngrams))


@given(seed=st.integers(0, 10_000), number=st.integers(0, MAX_OUTPUT))
def test_no_output_is_shorter_than_the_fewest_tokens(seed: int, number: int) -> None:
    assert len(written_at_random(seed, min_output_tokens=number)) >= number


def test_the_repetition_penalty_multiplies_the_log_probability_of_what_was_written_once() -> None:
    scores = constrained([5, 7, 5], scores_of([-1.0] * 4 + [-0.5, -0.5, -2.0, -2.0]), repetition_penalty=1.5)
    assert scores[4:8].tolist() == [-0.5, -0.75, -2.0, -3.0]
    assert scores[EOS] == -1.0


def test_a_penalty_leaves_what_is_impossible_impossible() -> None:
    scores = constrained([5], scores_of([-1.0] * 5 + [-math.inf]), repetition_penalty=2.0)
    assert scores[5] == -np.inf


def test_all_that_is_forbidden_is_forbidden_at_once() -> None:
    pieces = Pieces(["", "", "", "", "▁a", "▁b", "▁c", "▁d", "▁e"])
    scores = constrained(
        [4, 5, 4],
        pieces=pieces,
        min_output_tokens=4,
        no_repeat_ngram_size=2,
        forbidden_phrases=("c", "d▁e"),
    )
    assert allowed(scores) == [4, 7, 8]
