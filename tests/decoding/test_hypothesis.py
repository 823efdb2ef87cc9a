import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.messages.hypothesis import (
    Attention,
    Ending,
    Float32,
    Hypothesis,
    coverage_penalty,
    length_penalty,
    num_agreed,
)

EOS = 3

id_lists = st.lists(st.integers(4, 6), max_size=6)


def attention(*rows: list[float]) -> list[Float32]:
    return [np.array(row, np.float32) for row in rows]


@given(length=st.integers(1, 200), alpha=st.floats(0, 2))
def test_the_length_penalty_is_that_of_wu_et_al(length: int, alpha: float) -> None:
    assert length_penalty(length, alpha) == pytest.approx((5 + length) ** alpha / (5 + 1) ** alpha)


def test_one_token_is_divided_by_one_whatever_alpha_is() -> None:
    assert [length_penalty(1, alpha) for alpha in (0.0, 0.6, 10.0)] == [1.0, 1.0, 1.0]


@given(
    beta=st.floats(0.1, 10),
    rows=st.lists(st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_the_coverage_penalty_is_that_of_wu_et_al(beta: float, rows: list[list[float]]) -> None:
    expected = sum(math.log(min(math.fsum(column), 1.0)) for column in zip(*rows, strict=True))
    assert coverage_penalty(attention(*rows), beta) == pytest.approx(beta * expected, rel=1e-4, abs=1e-5)


def test_a_source_that_is_attended_to_once_or_more_costs_nothing() -> None:
    assert coverage_penalty(attention([1.0, 0.25], [0.5, 0.75]), 5.0) == 0.0


def test_each_source_token_is_held_against_one_by_itself() -> None:
    """Much attention on one does not make up for another."""
    assert coverage_penalty(attention([3.0, 0.5]), 2.0) == pytest.approx(2.0 * math.log(0.5))


def test_a_source_token_without_any_attention_costs_much_but_not_everything() -> None:
    penalty = coverage_penalty(attention([1.0, 0.0]), 1.0)
    assert math.isfinite(penalty)
    assert penalty < math.log(0.001)


def test_no_attention_and_no_beta_are_no_penalty() -> None:
    assert coverage_penalty([], 5.0) == 0.0
    assert coverage_penalty(attention([0.5, 0.0]), 0.0) == 0.0


@pytest.mark.parametrize(
    ("outputs", "number"),
    [
        ([[5, 6, 7], [5, 6, 8], [5, 6, 7, 9]], 2),
        ([[5, 6], [5, 6, 8]], 2),
        ([[5, 6], [7, 6]], 0),
        ([[5, 6], []], 0),
        ([[5, 6, 7]], 3),
        ([[5, 6, 7, 8], [5, 9, 7, 8]], 1),
        ([], 0),
    ],
)
def test_agreed_are_the_tokens_that_all_begin_with(outputs: list[list[int]], number: int) -> None:
    assert num_agreed([Hypothesis(output) for output in outputs]) == number


@given(st.lists(id_lists, min_size=1, max_size=4))
def test_no_more_and_no_fewer_tokens_are_agreed_on(outputs: list[list[int]]) -> None:
    number = num_agreed([Hypothesis(output) for output in outputs])
    assert len({tuple(output[:number]) for output in outputs}) == 1
    longer = {tuple(output[: number + 1]) for output in outputs}
    assert len(longer) > 1 or min(map(len, outputs)) == number


def test_a_longer_hypothesis_leaves_its_parent_as_it_was() -> None:
    """Several may continue one parent."""
    parent = Hypothesis().extended(5, -1.0, -1.5, Attention(np.ones(2, np.float32)))
    first = parent.extended(6, -0.5, -2.0, Attention(np.zeros(2, np.float32)))
    second = parent.extended(7, -0.25, -1.75, Attention(np.zeros(2, np.float32)))
    assert (parent.output_ids, parent.token_log_probs, len(parent.attention)) == ([5], [-1.0], 1)
    assert (first.output_ids, first.log_prob, first.total) == ([5, 6], -1.5, -2.0)
    assert (second.output_ids, second.log_prob, second.total) == ([5, 7], -1.25, -1.75)


def test_eos_counts_in_every_number_but_is_not_written() -> None:
    parent = Hypothesis().extended(5, -1.0, -1.0, Attention(np.ones(2, np.float32)))
    ended = parent.ended_by_eos(EOS, -0.5, -1.5, Attention(np.ones(2, np.float32)))
    assert ended.output_ids == [5]
    assert ended.ending is Ending.EOS
    assert (ended.log_prob, ended.total) == (-1.5, -1.5)
    assert (ended.token_log_probs, len(ended.attention)) == ([-1.0, -0.5], 2)
    assert ended.num_scored == 2
    assert parent.ending is None


@pytest.mark.parametrize("ending", [Ending.LIMIT, Ending.CONSTRAINTS])
def test_what_is_cut_is_scored_by_the_tokens_that_it_has(ending: Ending) -> None:
    cut = Hypothesis().extended(5, -1.0, -1.0, None).cut(ending)
    assert (cut.ending, cut.output_ids, cut.num_scored) == (ending, [5], 1)


@given(id_lists)
def test_without_attention_none_is_kept(ids: list[int]) -> None:
    hypothesis = Hypothesis()
    for id_ in ids:
        hypothesis = hypothesis.extended(id_, -0.5, hypothesis.total - 0.5, None)
    assert (hypothesis.output_ids, hypothesis.attention) == (ids, [])
    assert hypothesis.token_log_probs == [-0.5] * len(ids)
