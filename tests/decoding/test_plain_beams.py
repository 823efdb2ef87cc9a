"""Plain beams together find what each finds by itself."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.scores import StepScores
from server.decoding.search.beam import BeamSearch
from server.decoding.search.candidates import find_candidates
from server.decoding.search.plain_beams import Beam, BeamArrays
from server.messages.hypothesis import Ending
from server.messages.options import DecodingOptions
from tests.decoding.scripted_models import (
    EOS,
    MAX_OUTPUT,
    SPECIAL_IDS,
    VOCABULARY_SIZE,
    WRITABLE,
    Model,
    fond_of_ending,
    naive_best,
    random_model,
    seeds,
    sure_model,
)
from tests.fakes import NO_PIECES


@given(
    num_beams=st.integers(1, 4),
    size=st.integers(1, 4),
    width=st.one_of(st.integers(2, 40), st.sampled_from([509, 512, 2000, 2002])),
    num_levels=st.sampled_from([1, 2, 5, 10_000]),
    impossible=st.sampled_from([0.0, 0.5, 0.99]),
    seed=seeds,
)
def test_candidates_of_a_beam_are_the_first_of_a_stable_sort(
    num_beams: int, size: int, width: int, num_levels: int, impossible: float, seed: int
) -> None:
    """With few levels most are equal; 509 is a prime."""
    generator = np.random.default_rng(seed)
    log_probs = -generator.integers(num_levels, size=(num_beams * size + 2, width)).astype(np.float32)
    log_probs[generator.random(log_probs.shape) < impossible] = -np.inf
    rows = generator.permutation(len(log_probs))[: num_beams * size].reshape(num_beams, size)
    ahead = -generator.integers(2 * num_levels, size=(num_beams, size)).astype(np.float32)
    number = 2 * size
    found = find_candidates(log_probs, rows, ahead, number)
    for beam in range(num_beams):
        scores = log_probs[rows[beam]] + ahead[beam, :, None]
        expected = naive_best(scores.reshape(-1), number)
        own = slice(beam * number, beam * number + len(expected))
        assert (found.parents[own] - beam * size).tolist() == [index // width for index in expected]
        assert found.ids[own].tolist() == [index % width for index in expected]
        assert found.scores[own].tolist() == scores.reshape(-1)[expected].tolist()
        assert found.log_probs[own].tolist() == log_probs[rows[beam]].reshape(-1)[expected].tolist()
        assert (found.scores[own.stop : (beam + 1) * number] == -np.inf).all()


class Running:
    """A beam among others, and beside it a search of its own over the same model."""

    def __init__(self, options: DecodingOptions, model: Model, beam: Beam) -> None:
        self.beam = beam
        self.model = model
        self.alone = BeamSearch(options, SPECIAL_IDS, NO_PIECES)

    @property
    def outputs(self) -> list[list[int]]:
        return [hypothesis.output_ids for hypothesis in self.alone.live]

    def advance_alone(self) -> None:
        self.alone.advance(np.stack(list(map(self.model, self.outputs))), None)


@dataclass
class Row:
    running: Running
    output_ids: list[int] = field(default_factory=list)
    """That a model with a state would have read here."""


class Together:
    """Beams of one size, and the rows of their batch; some are of nobody."""

    def __init__(self, size: int, max_beams: int, num_others: int = 0, vocabulary_size: int = VOCABULARY_SIZE) -> None:
        self.beams = BeamArrays(size, max_beams, MAX_OUTPUT, SPECIAL_IDS)
        self.rows: dict[int, Row] = {}
        self.running: list[Running] = []
        self._shape = size * max_beams + num_others, vocabulary_size
        self._free = np.random.default_rng(0).permutation(self._shape[0]).tolist()
        self._size = size

    def join(self, options: DecodingOptions, model: Model) -> Running:
        rows = [self._free.pop() for _ in range(self._size)]
        running = Running(options, model, self.beams.join(options, rows))
        self.rows |= {row: Row(running) for row in rows}
        self.running.append(running)
        return running

    def leave(self, leaving: Running) -> None:
        self.beams.leave(leaving.beam)
        self.running.remove(leaving)
        for row in [row for row, content in self.rows.items() if content.running is leaving]:
            del self.rows[row]
            self._free.insert(0, row)

    def move(self, source: int) -> None:
        target = self._free.pop()
        self.beams.move(source, target)
        self.rows[target] = self.rows.pop(source)
        self._free.insert(0, source)

    def step(self) -> None:
        """What is found together and alone is the same, and is in the rows that are said to have it."""
        log_probs = np.zeros(self._shape, np.float32)  # tokens of free rows would be the best
        for row, content in self.rows.items():
            log_probs[row] = content.running.model(content.output_ids)
        rows, ids, sources, targets = self.beams.advance(StepScores(log_probs))
        for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
            self.rows[target].output_ids = list(self.rows[source].output_ids)
        for row, id_ in zip(rows.reshape(-1).tolist(), ids.reshape(-1).tolist(), strict=True):
            self.rows[row].output_ids.append(id_)
        for running in self.running:
            running.advance_alone()
            outputs = [self.rows[row].output_ids for row in rows[running.beam.index].tolist()]
            assert outputs[: len(running.outputs)] == running.outputs
            assert running.beam.has_ended == (not running.outputs)
            assert running.beam.ranked() == running.alone.ranked()
        for ended in [running for running in self.running if running.beam.has_ended]:
            self.leave(ended)


plain = st.builds(
    DecodingOptions,
    max_output_tokens=st.integers(1, MAX_OUTPUT),
    patience=st.sampled_from([0.5, 1.0, 2.0]),
    length_penalty=st.sampled_from([0.0, 0.6, 2.0]),
)


@given(
    size=st.integers(1, 5),
    beams=st.lists(st.tuples(plain, seeds, st.integers(0, 4)), min_size=1, max_size=6),
    num_others=st.sampled_from([0, 3]),
    vocabulary_size=st.sampled_from([5, 9, 700]),
)
def test_beams_together_are_beams_alone(
    size: int, beams: list[tuple[DecodingOptions, int, int]], num_others: int, vocabulary_size: int
) -> None:
    """Whenever they join, and also where a beam asks for more tokens than the vocabulary has."""
    together = Together(size, len(beams), num_others, vocabulary_size)
    for options, seed, num_steps in beams:
        together.join(dataclasses.replace(options, beam_size=size), random_model(seed, vocabulary_size))
        for _ in range(num_steps):
            if together.running:
                together.step()
    while together.running:
        together.step()


def most_probable_firsts(model: Model, number: int) -> list[list[int]]:
    return [[id_] for id_ in sorted(WRITABLE, key=lambda id_: -model([])[id_])[:number]]


def test_only_beams_that_have_begun_may_end() -> None:
    """Whether they are beside others that begin, and of whichever place in the arrays."""
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=2)
    models = [fond_of_ending(seed) for seed in range(3)]
    together = Together(2, 3, num_others=2)
    first = together.join(options, models[0])
    together.step()
    second, third = (together.join(options, model) for model in models[1:])
    together.step()
    assert [running.beam.has_ended for running in (first, second, third)] == [True, False, False]
    together.step()
    for running, model in zip((first, second, third), models, strict=True):
        found = running.beam.ranked()
        assert sorted(hypothesis.output_ids for hypothesis in found) == sorted(most_probable_firsts(model, 2))
        assert {hypothesis.ending for hypothesis in found} == {Ending.EOS}


@given(seed=seeds, size=st.integers(2, 4), neighbours=st.lists(seeds, max_size=3), num_others=st.sampled_from([0, 3]))
def test_a_beam_begins_as_it_would_alone_whichever_begin_at_the_same_step(
    seed: int, size: int, neighbours: list[int], num_others: int
) -> None:
    """Neighbours that like to end, go on, or may write nothing but an end."""
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=size)
    results = []
    for seeds_beside in ([], neighbours):
        together = Together(size, 1 + len(seeds_beside), num_others)
        beside = [
            (fond_of_ending(other), random_model(other), sure_model({EOS: -0.1}))[other % 3] for other in seeds_beside
        ]
        half = len(beside) // 2
        for model in beside[:half]:
            together.join(options, model)
        running = together.join(options, fond_of_ending(seed))
        for model in beside[half:]:
            together.join(options, model)
        while together.running:
            together.step()
        results.append(running.beam.ranked())
    alone, among = results
    assert among == alone
    assert all(hypothesis.output_ids for hypothesis in alone)


@pytest.mark.parametrize("size", [2, 4])
def test_a_beam_that_may_write_nothing_but_an_end_is_cut_and_its_neighbours_go_on(size: int) -> None:
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=size)
    together = Together(size, 2)
    stuck = together.join(options, sure_model({EOS: -0.25}))
    free = together.join(options, random_model(1))
    together.step()
    [hypothesis] = stuck.beam.ranked()
    assert (hypothesis.output_ids, hypothesis.ending, hypothesis.log_prob) == ([], Ending.CONSTRAINTS, 0.0)
    assert (stuck.beam.has_ended, free.beam.has_ended) == (True, False)
    while together.running:
        together.step()


@pytest.mark.parametrize("end", [np.nan, 0.5, np.inf])
def test_a_beam_whose_first_log_probability_of_an_end_is_none_is_broken(end: float) -> None:
    beams = BeamArrays(2, 2, MAX_OUTPUT, SPECIAL_IDS)
    broken, whole = (
        beams.join(DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=2), rows) for rows in ([0, 1], [2, 3])
    )
    log_probs = np.tile(random_model(1)([]), (4, 1))
    log_probs[:2, EOS] = end
    beams.advance(StepScores(log_probs))
    assert (broken.is_broken, whole.is_broken) == (True, False)
    assert not broken.finished


def test_a_beam_that_has_moved_and_one_whose_neighbour_has_left_go_on_as_before() -> None:
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=3, patience=9.0)
    together = Together(3, 3, num_others=2)
    first, *_ = [together.join(options, random_model(seed)) for seed in range(3)]
    together.step()
    together.step()
    together.leave(first)
    for row in list(together.rows)[:4]:
        together.move(row)
    while together.running:
        together.step()


def test_what_all_hypotheses_agree_on_is_told_once() -> None:
    together = Together(2, 1)
    model = sure_model({4: -0.1}, {5: -0.1, 6: -0.2}, {7: -0.1}, {EOS: -0.1})
    running = together.join(DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=2), model)
    told = []
    while together.running:
        together.step()
        part = together.beams.take_agreed(running.beam) if together.running else None
        told.append(part.output_ids if part else [])
    assert told == [[4], [], [], []]


def test_a_beam_at_its_limit_is_cut_as_it_is() -> None:
    together = Together(2, 1)
    running = together.join(
        DecodingOptions(max_output_tokens=2, beam_size=2), sure_model({4: -0.5, 5: -1.0}, {6: -0.5, EOS: -4.0})
    )
    together.step()
    together.step()
    assert [(hypothesis.output_ids, hypothesis.ending) for hypothesis in running.beam.ranked()] == [
        ([4, 6], Ending.LIMIT),
        ([5, 6], Ending.LIMIT),
    ]
