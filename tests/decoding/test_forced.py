import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.base import Continuation
from server.decoding.search.forced import Forced
from server.decoding.search.searched import open_search
from server.messages.hypothesis import Attention, Ending, Float32, Hypothesis
from server.messages.options import DecodingOptions
from tests.fakes import NO_PIECES

EOS, UNKNOWN = 3, 1
SPECIAL_IDS = SpecialIds(start=2, eos=EOS, pad=0, unknown=UNKNOWN, never_written=(0, 1, 2))
VOCABULARY_SIZE = 9
NUM_SOURCE_TOKENS = 3


def options(ids: tuple[int, ...]) -> DecodingOptions:
    return DecodingOptions(max_output_tokens=20, forced_ids=ids)


def step_log_probs(seed: int, position: int) -> Float32:
    """What the model says at a position, [1, vocabulary]."""
    scores = np.random.default_rng([seed, position]).normal(size=(1, VOCABULARY_SIZE))
    return (scores - np.log(np.exp(scores).sum())).astype(np.float32)


def scored(ids: tuple[int, ...], seed: int = 0) -> Hypothesis:
    search = Forced(options(ids), SPECIAL_IDS)
    for position, id_ in enumerate(ids):
        assert search.advance(step_log_probs(seed, position), None) == [Continuation(0, id_)]
    assert search.advance(step_log_probs(seed, len(ids)), None) == []
    [hypothesis] = search.ranked()
    return hypothesis


@given(ids=st.lists(st.integers(4, 8), max_size=8).map(tuple), seed=st.integers(0, 1000))
def test_the_score_is_the_sum_of_the_given_tokens_and_of_eos(ids: tuple[int, ...], seed: int) -> None:
    expected = [float(step_log_probs(seed, position)[0, id_]) for position, id_ in enumerate([*ids, EOS])]
    hypothesis = scored(ids, seed)
    assert hypothesis.output_ids == list(ids)
    assert hypothesis.ending is Ending.EOS
    assert hypothesis.token_log_probs == expected
    assert hypothesis.log_prob == pytest.approx(sum(expected))
    assert hypothesis.score == pytest.approx(sum(expected))
    assert hypothesis.num_scored == len(ids) + 1


def test_an_empty_translation_is_scored_by_eos_alone() -> None:
    assert scored(()).log_prob == pytest.approx(float(step_log_probs(0, 0)[0, EOS]))


def test_tokens_that_no_search_would_write_are_scored_like_any_other() -> None:
    """A given text may contain what the vocabulary does not have."""
    assert scored((5, UNKNOWN, 6)).output_ids == [5, UNKNOWN, 6]


def test_the_attention_of_every_token_is_kept_eos_included() -> None:
    search = Forced(options((5, 6)), SPECIAL_IDS)
    attention = np.zeros((1, NUM_SOURCE_TOKENS), np.float32)
    for position in range(3):
        attention[:] = position  # the engine's array, which it writes anew at each step
        search.advance(step_log_probs(0, position), Attention(attention))
    [hypothesis] = search.ranked()
    assert [weights.tolist() for weights in hypothesis.attention] == [[0.0] * 3, [1.0] * 3, [2.0] * 3]


def test_only_a_given_translation_is_scored_so() -> None:
    assert isinstance(open_search(options((5, 6)), SPECIAL_IDS, NO_PIECES), Forced)
    assert isinstance(open_search(options(()), SPECIAL_IDS, NO_PIECES), Forced)
    assert not isinstance(open_search(DecodingOptions(max_output_tokens=20), SPECIAL_IDS, NO_PIECES), Forced)
