import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle import SpecialIds
from server.decoding.greedy import Ended, GreedyRows

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_IDS = SpecialIds(pad=PAD, unknown=UNKNOWN, bos=BOS, eos=EOS)
VOCABULARY_SIZE = 9
MAX_ROWS = 5
MAX_OUTPUT = 8


class Batch:
    """The arrays that the engine owns beside `GreedyRows`, all rows started."""

    def __init__(self, limits: list[int]) -> None:
        self.rows = GreedyRows(SPECIAL_IDS, MAX_ROWS, MAX_OUTPUT)
        self.previous_ids = np.full(MAX_ROWS, BOS)
        self.positions = np.zeros(MAX_ROWS, np.int64)
        self.num_rows = len(limits)
        for row, limit in enumerate(limits):
            self.rows.start(row, limit)

    def advance(self, *chosen: int, log_prob: float = -0.5) -> list[Ended]:
        """A step in which row i finds `chosen[i]` the most probable."""
        log_probs = np.full((MAX_ROWS, VOCABULARY_SIZE), -5.0, np.float32)
        log_probs[np.arange(len(chosen)), list(chosen)] = log_prob
        return self.advance_with(log_probs)

    def advance_with(self, log_probs: npt.NDArray[np.float32]) -> list[Ended]:
        return self.rows.advance(log_probs, self.previous_ids, self.positions, self.num_rows)

    def output(self, row: int) -> list[int]:
        ids: list[int] = self.rows.output_ids[row, : self.positions[row]].tolist()
        return ids


def test_each_row_writes_its_most_probable_token_and_moves_on() -> None:
    batch = Batch([8, 8])
    assert batch.advance(5, 7) == []
    assert batch.advance(6, 8) == []
    assert (batch.output(0), batch.output(1)) == ([5, 6], [7, 8])
    assert batch.previous_ids[:2].tolist() == [6, 8]
    assert batch.positions[:2].tolist() == [2, 2]


@pytest.mark.parametrize("never_written", [PAD, UNKNOWN, BOS])
def test_the_next_best_token_takes_the_place_of_one_that_no_translation_contains(never_written: int) -> None:
    batch = Batch([8])
    log_probs = np.full((MAX_ROWS, VOCABULARY_SIZE), -5.0, np.float32)
    log_probs[0, never_written] = -0.1
    log_probs[0, 7] = -2.0
    batch.advance_with(log_probs)
    assert batch.output(0) == [7]
    assert batch.rows.log_prob[0] == pytest.approx(-2.0)


def test_eos_ends_a_row_whose_log_probability_counts() -> None:
    batch = Batch([8])
    batch.advance(5, log_prob=-0.5)
    assert batch.advance(EOS, log_prob=-0.25) == [Ended(row=0, reached_limit=False)]
    assert batch.rows.log_prob[0] == pytest.approx(-0.75)


def test_a_row_ends_at_its_own_limit() -> None:
    batch = Batch([1, 2])
    assert batch.advance(5, 5) == [Ended(row=0, reached_limit=True)]


def test_eos_at_the_limit_is_an_end_by_the_model() -> None:
    assert Batch([1]).advance(EOS) == [Ended(row=0, reached_limit=False)]


def test_every_row_that_ends_is_named() -> None:
    batch = Batch([8, 1, 8, 8])
    assert batch.advance(EOS, 5, 6, EOS) == [Ended(0, False), Ended(1, True), Ended(3, False)]


def test_rows_that_are_no_greedy_ones_never_end() -> None:
    batch = Batch([0, 8])
    assert batch.advance(EOS, 6) == []


def test_rows_beyond_the_batch_are_neither_read_nor_written() -> None:
    batch = Batch([8, 8])
    batch.num_rows = 1
    batch.advance(5, EOS)
    assert batch.previous_ids[1] == BOS
    assert batch.positions[1] == 0
    assert batch.rows.log_prob[1] == 0.0


def test_a_moved_row_goes_on_where_it_stood() -> None:
    batch = Batch([8, 3])
    batch.advance(4, 5)
    batch.advance(4, 6)
    batch.rows.move(1, 0, num_written=2)
    batch.num_rows = 1
    assert batch.advance(7) == [Ended(row=0, reached_limit=True)]
    assert batch.output(0) == [5, 6, 7]
    assert batch.rows.log_prob[0] == pytest.approx(-1.5)


def test_a_row_that_is_started_again_forgets_what_it_wrote() -> None:
    batch = Batch([2])
    batch.advance(5)
    batch.rows.start(0, 4)
    batch.positions[0] = 0
    batch.advance(6)
    assert batch.output(0) == [6]
    assert batch.rows.log_prob[0] == pytest.approx(-0.5)
    assert batch.rows.limit[0] == 4


@given(st.lists(st.lists(st.integers(EOS, VOCABULARY_SIZE - 1), min_size=MAX_OUTPUT, max_size=MAX_OUTPUT), max_size=4))
def test_every_row_writes_up_to_eos_or_its_limit_whatever_the_others_do(wishes: list[list[int]]) -> None:
    """`wishes`: the most probable token of each row at each position. Rows that end are filled by the last one."""
    limits = [MAX_OUTPUT - index for index in range(len(wishes))]
    batch = Batch(limits)
    sentences = list(range(len(wishes)))  # by row
    outputs: dict[int, list[int]] = {}
    for position in range(MAX_OUTPUT):
        for row, _ in sorted(batch.advance(*(wishes[sentence][position] for sentence in sentences)), reverse=True):
            outputs[sentences[row]] = batch.output(row)
            last = len(sentences) - 1
            batch.rows.move(last, row, int(batch.positions[last]))
            batch.previous_ids[row], batch.positions[row] = batch.previous_ids[last], batch.positions[last]
            sentences[row] = sentences[last]
            sentences.pop()
            batch.num_rows -= 1
    for sentence, wish in enumerate(wishes):
        whole = wish[: wish.index(EOS) + 1] if EOS in wish else wish
        assert outputs[sentence] == whole[: limits[sentence]]
