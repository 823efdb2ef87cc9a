"""Plain greedy decoding of all rows at once, as arrays."""

from typing import NamedTuple

import numpy as np

from server.bundle import SpecialIds


class Ended(NamedTuple):
    row: int
    reached_limit: bool
    """The limit of output tokens ended it, not the model."""


class GreedyRows:
    """What each greedy row has written: token ids, their log-probabilities, and how many it may write.

    Rows that are no greedy ones have a limit of 0, and are passed over.
    """

    def __init__(self, special_ids: SpecialIds, max_rows: int, max_output_tokens: int) -> None:
        self._eos = special_ids.eos
        self._never_written = special_ids.never_written
        self._row = np.arange(max_rows)
        self.output_ids = np.zeros((max_rows, max_output_tokens), np.int64)
        self.log_prob = np.zeros(max_rows, np.float64)
        """Sum over the tokens so far, the end of the sentence included."""
        self.limit = np.zeros(max_rows, np.int64)

    def start(self, row: int, max_output_tokens: int) -> None:
        self.limit[row] = max_output_tokens
        self.log_prob[row] = 0.0

    def move(self, source_row: int, target_row: int, num_written: int) -> None:
        self.output_ids[target_row, :num_written] = self.output_ids[source_row, :num_written]
        self.log_prob[target_row] = self.log_prob[source_row]
        self.limit[target_row] = self.limit[source_row]

    def advance(
        self, log_probs: np.ndarray, previous_ids: np.ndarray, positions: np.ndarray, num_rows: int
    ) -> list[Ended]:
        """The most probable token of every row becomes its previous one, and its position grows.

        log_probs: float32 [max_rows, vocabulary]; previous_ids, positions: int64 [max_rows]; the first `num_rows` of
        them are read and written. Returns the greedy rows that ended.
        """
        rows, scores = self._row[:num_rows], log_probs[:num_rows]
        scores[:, self._never_written] = -np.inf
        ids = scores.argmax(axis=1)
        self.log_prob[:num_rows] += scores[rows, ids]
        self.output_ids[rows, positions[:num_rows]] = ids
        previous_ids[:num_rows] = ids
        positions[:num_rows] += 1
        limit = self.limit[:num_rows]
        at_end = ids == self._eos
        ended = (at_end | (positions[:num_rows] >= limit)) & (limit > 0)
        return [Ended(int(row), not at_end[row]) for row in np.flatnonzero(ended)]
