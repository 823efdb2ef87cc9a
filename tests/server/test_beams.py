"""Plain beams of many sentences at once find what each finds by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.beam import BeamSearch
from server.decoding.beams import candidates_of
from server.decoding.hypothesis import Float32, Hypothesis
from server.decoding.options import DecodingOptions
from server.decoding.search import best_of_rows
from tests.server.test_beam import MAX_OUTPUT, SPECIAL_IDS, naive_best, random_model, seeds


@given(
    num_rows=st.integers(1, 5),
    width=st.one_of(st.integers(1, 40), st.integers(500, 530), st.integers(1000, 1100)),
    number=st.integers(1, 12),
    num_levels=st.sampled_from([1, 2, 5, 10_000]),
    seed=seeds,
)
def test_the_best_of_every_row_are_those_of_a_stable_sort(
    num_rows: int, width: int, number: int, num_levels: int, seed: int
) -> None:
    """With few levels most are equal."""
    number = min(number, width)
    scores = -np.random.default_rng(seed).integers(num_levels, size=(num_rows, width)).astype(np.float32)
    ids, values = best_of_rows(scores, number)
    for row in range(num_rows):
        assert ids[row].tolist() == naive_best(scores[row], number)
        assert values[row].tolist() == scores[row, ids[row]].tolist()


class Beams:
    """Searches of one size whose rows are scattered over a batch, together and each by itself."""

    def __init__(self, size: int, num_searches: int, num_rows: int, vocabulary_size: int, seed: int) -> None:
        options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=size)
        self.generator = np.random.default_rng(seed)
        self.together = [BeamSearch(options, SPECIAL_IDS) for _ in range(num_searches)]
        self.alone = [BeamSearch(options, SPECIAL_IDS) for _ in range(num_searches)]
        self.models = [random_model(seed + index, vocabulary_size) for index in range(num_searches)]
        self.num_rows = num_rows
        self.size = size
        self.vocabulary_size = vocabulary_size

    def step(self) -> None:
        free = self.generator.permutation(self.num_rows).tolist()
        rows = [[free.pop() for _ in search.live] for search in self.together]
        log_probs: Float32 = self.generator.normal(size=(self.num_rows, self.vocabulary_size)).astype(np.float32)
        for own, search, model in zip(rows, self.together, self.models, strict=True):
            log_probs[own] = [model(hypothesis.output_ids) for hypothesis in search.live]
        shown = [log_probs[own] for own in rows]  # copies
        found = candidates_of(self.together, rows, self.size, log_probs, SPECIAL_IDS)
        for index, candidates in enumerate(found):
            expected = self.alone[index].advance(shown[index], None)
            assert self.together[index].go_on(candidates) == expected
            assert self.together[index].live == self.alone[index].live
            assert self.together[index].finished == self.alone[index].finished
        running = [index for index, search in enumerate(self.together) if search.live]
        self.together = [self.together[index] for index in running]
        self.alone = [self.alone[index] for index in running]
        self.models = [self.models[index] for index in running]


@given(
    size=st.integers(2, 5),
    num_searches=st.integers(1, 4),
    num_others=st.sampled_from([0, 3]),
    vocabulary_size=st.sampled_from([5, 9, 700]),
    seed=seeds,
)
def test_beams_together_are_beams_alone(
    size: int, num_searches: int, num_others: int, vocabulary_size: int, seed: int
) -> None:
    """Also where a beam asks for more tokens than the vocabulary has."""
    beams = Beams(size, num_searches, size * num_searches + num_others, vocabulary_size, seed)
    while beams.together:
        beams.step()


def test_a_beam_that_has_just_begun_and_one_that_runs_are_taken_together() -> None:
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=2)
    new, running = BeamSearch(options, SPECIAL_IDS), BeamSearch(options, SPECIAL_IDS)
    running.live = [Hypothesis([4], -1.0, -1.0), Hypothesis([5], -3.0, -3.0)]
    log_probs = np.full((3, 8), -9.0, np.float32)
    log_probs[0, 6] = -0.5  # of the running one's second hypothesis
    log_probs[1, 7] = -0.25  # of the new one
    log_probs[2, 4] = -0.75  # of the running one's first
    candidates = candidates_of([running, new], [[2, 0], [1]], 2, log_probs, SPECIAL_IDS)
    assert [candidate[:4] for candidate in candidates[0][:2]] == [(-1.75, 0, 4, -0.75), (-3.5, 1, 6, -0.5)]
    assert candidates[1][0][:4] == pytest.approx((-0.25, 0, 7, -0.25))
