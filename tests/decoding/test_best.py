"""Which scores are the best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.search.base import best
from tests.decoding.scripted_models import naive_best, seeds


@given(
    size=st.one_of(st.integers(1, 40), st.integers(500, 530), st.integers(1000, 1100)),
    number=st.one_of(st.integers(1, 12), st.integers(250, 300)),
    num_levels=st.sampled_from([1, 2, 5, 10_000]),
    impossible=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    seed=seeds,
)
def test_the_best_are_those_of_a_stable_sort(
    size: int, number: int, num_levels: int, impossible: float, seed: int
) -> None:
    """With few levels most are equal; some, most or all are minus infinity."""
    generator = np.random.default_rng(seed)
    scores = -generator.integers(num_levels, size=size).astype(np.float32)
    scores[generator.random(size) < impossible] = -np.inf
    assert best(scores, number).tolist() == naive_best(scores, number)


@pytest.mark.parametrize("size", [255, 256, 511, 512, 513, 767, 768, 10_000])
@pytest.mark.parametrize("place", [0, -1])
def test_the_best_is_found_at_either_end_whatever_the_size(size: int, place: int) -> None:
    scores = np.full(size, -2.0, np.float32)
    scores[place] = -1.0
    assert best(scores, 2).tolist() == naive_best(scores, 2)
