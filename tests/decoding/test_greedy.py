import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.scores import StepScores
from server.decoding.search.greedy import Greedy, advance_greedy
from server.messages.hypothesis import Ending
from server.messages.options import DecodingOptions

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_IDS = SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS))
VOCABULARY_SIZE = 9
MAX_OUTPUT = 8


class Batch:
    """Greedy rows by their limits of output tokens, and the array that the engine owns beside them."""

    def __init__(self, limits: list[int]) -> None:
        self.greedy = [Greedy(DecodingOptions(max_output_tokens=limit), row) for row, limit in enumerate(limits)]
        self.previous_ids = np.full(len(limits), BOS)

    def advance(self, *chosen: int, log_prob: float = -0.5) -> None:
        """A step in which row i finds `chosen[i]` the most probable."""
        log_probs = np.full((len(self.previous_ids), VOCABULARY_SIZE), -5.0, np.float32)
        log_probs[np.arange(len(chosen)), list(chosen)] = log_prob
        self.advance_with(log_probs)

    def advance_with(self, log_probs: np.ndarray) -> None:
        running = [greedy for greedy in self.greedy if not greedy.hypothesis.ending]
        ended = advance_greedy(running, SPECIAL_IDS, StepScores(log_probs), self.previous_ids)
        assert ended.finished == [greedy for greedy in running if greedy.hypothesis.ending]
        assert ended.broken == []

    @property
    def outputs(self) -> list[list[int]]:
        return [greedy.hypothesis.output_ids for greedy in self.greedy]

    @property
    def endings(self) -> list[Ending | None]:
        return [greedy.hypothesis.ending for greedy in self.greedy]


def test_each_row_writes_its_most_probable_token_and_reads_it_next() -> None:
    batch = Batch([8, 8])
    batch.advance(5, 7)
    batch.advance(6, 8)
    assert batch.outputs == [[5, 6], [7, 8]]
    assert batch.previous_ids.tolist() == [6, 8]
    assert batch.endings == [None, None]


@pytest.mark.parametrize("never_written", [PAD, UNKNOWN, BOS])
def test_the_next_best_token_takes_the_place_of_one_that_no_translation_contains(never_written: int) -> None:
    batch = Batch([8])
    log_probs = np.full((1, VOCABULARY_SIZE), -5.0, np.float32)
    log_probs[0, never_written] = -0.1
    log_probs[0, 7] = -2.0
    batch.advance_with(log_probs)
    assert batch.outputs == [[7]]
    assert batch.greedy[0].hypothesis.log_prob == pytest.approx(-2.0)


def test_eos_ends_a_row_and_its_log_probability_counts() -> None:
    batch = Batch([8])
    batch.advance(5, log_prob=-0.5)
    batch.advance(EOS, log_prob=-0.25)
    assert batch.endings == [Ending.EOS]
    finished = batch.greedy[0].finished()
    assert finished.output_ids == [5]
    assert finished.log_prob == finished.score == pytest.approx(-0.75)
    assert finished.num_scored == 2


def test_a_finished_row_is_scored_by_its_length() -> None:
    greedy = Greedy(DecodingOptions(max_output_tokens=1, length_penalty=1.0), row=0)
    log_probs = np.full((1, VOCABULARY_SIZE), -5.0, np.float32)
    log_probs[0, 4] = -0.6
    advance_greedy([greedy], SPECIAL_IDS, StepScores(log_probs), np.array([BOS]))
    assert greedy.finished().score == pytest.approx(-0.6 / ((5 + 1) / 6))
    assert greedy.finished().total == pytest.approx(-0.6)


def test_a_row_ends_at_its_own_limit() -> None:
    batch = Batch([1, 2])
    batch.advance(5, 5)
    assert batch.endings == [Ending.LIMIT, None]
    assert batch.outputs == [[5], [5]]


def test_eos_at_the_limit_is_an_end_by_the_model() -> None:
    batch = Batch([2])
    batch.advance(5)
    batch.advance(EOS)
    assert batch.endings == [Ending.EOS]


@pytest.mark.parametrize("second_best", [7, PAD, UNKNOWN, BOS])
def test_where_an_end_is_the_most_probable_first_token_the_next_best_is_written(second_best: int) -> None:
    batch = Batch([8, 8, 8])
    log_probs = np.full((3, VOCABULARY_SIZE), -5.0, np.float32)
    log_probs[1, EOS], log_probs[1, second_best], log_probs[1, 7] = -0.1, -1.0, -2.0
    log_probs[0, 5] = log_probs[2, 6] = -0.5
    batch.advance_with(log_probs)
    assert batch.outputs == [[5], [7], [6]]
    assert batch.previous_ids.tolist() == [5, 7, 6]
    assert [greedy.hypothesis.log_prob for greedy in batch.greedy] == [-0.5, -2.0, -0.5]
    batch.advance(EOS, EOS, EOS)
    assert batch.endings == [Ending.EOS] * 3


def test_a_row_that_begins_beside_one_that_ends_does_not_end() -> None:
    batch = Batch([8, 8])
    batch.greedy[0].hypothesis.output_ids.append(5)
    batch.advance(EOS, EOS)
    assert batch.endings == [Ending.EOS, None]
    assert batch.outputs == [[5], [4]]


def test_a_row_that_may_write_nothing_but_an_end_is_cut_and_its_neighbours_go_on() -> None:
    batch = Batch([8, 8])
    log_probs = np.full((2, VOCABULARY_SIZE), -np.inf, np.float32)
    log_probs[0, [EOS, PAD]] = -0.25, -1.0
    log_probs[1, 6] = -0.5
    batch.advance_with(log_probs)
    assert batch.outputs == [[], [6]]
    assert batch.endings == [Ending.CONSTRAINTS, None]
    finished = batch.greedy[0].finished()
    assert finished.log_prob == finished.score == 0.0


@pytest.mark.parametrize("end", [np.nan, 0.5, np.inf, -np.inf])
def test_a_row_whose_first_log_probability_of_an_end_is_none_is_broken(end: float) -> None:
    """Minus infinity is one, but here no token has another."""
    greedy = Greedy(DecodingOptions(max_output_tokens=8), row=0)
    log_probs = np.full((1, VOCABULARY_SIZE), -np.inf if end == -np.inf else -5.0, np.float32)
    log_probs[0, EOS] = end
    ended = advance_greedy([greedy], SPECIAL_IDS, StepScores(log_probs), np.array([BOS]))
    assert (ended.finished, ended.broken) == ([], [greedy])


def test_rows_of_others_are_not_written() -> None:
    others = Greedy(DecodingOptions(max_output_tokens=8), row=1)
    previous_ids = np.full(3, BOS)
    log_probs = np.full((3, VOCABULARY_SIZE), -5.0, np.float32)
    log_probs[:, 6] = -0.5
    advance_greedy([others], SPECIAL_IDS, StepScores(log_probs), previous_ids)
    assert previous_ids.tolist() == [BOS, 6, BOS]


@given(st.lists(st.lists(st.integers(EOS, VOCABULARY_SIZE - 1), min_size=MAX_OUTPUT, max_size=MAX_OUTPUT), max_size=4))
def test_every_row_writes_up_to_eos_or_its_limit_whatever_the_others_do(wishes: list[list[int]]) -> None:
    """`wishes`: the most probable token of each row at each position; where the first is EOS, 4 takes its place. Rows
    that end leave; the last takes the place."""
    limits = [MAX_OUTPUT - index for index in range(len(wishes))]
    batch = Batch(limits)
    by_row = list(batch.greedy)
    for position in range(MAX_OUTPUT):
        batch.advance(*(wishes[batch.greedy.index(greedy)][position] for greedy in by_row))
        for greedy in [greedy for greedy in by_row if greedy.hypothesis.ending]:
            moved = by_row.pop()
            if moved is not greedy:
                moved.row = greedy.row
                by_row[greedy.row] = moved
    for greedy, wish, limit in zip(batch.greedy, wishes, limits, strict=True):
        possible = [4 if wish[0] == EOS else wish[0], *wish[1:]]
        whole = possible[: possible.index(EOS)] if EOS in possible else possible
        assert greedy.hypothesis.output_ids == whole[:limit]
        assert greedy.hypothesis.ending == (Ending.EOS if EOS in possible[:limit] else Ending.LIMIT)
