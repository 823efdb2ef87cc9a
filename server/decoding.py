"""Picking tokens, and the rules by which a translation ends; the running rows' side of it, as arrays."""

from typing import NamedTuple

import numpy as np

from server.bundle import SpecialIds


class Ended(NamedTuple):
    row: int
    reached_limit: bool
    """The limit of output tokens ended it, not the model."""


class DecodingRows:
    """What each running row has written: token ids, their log-probabilities, and how many it may write."""

    def __init__(self, special_ids: SpecialIds, max_rows: int, max_output_tokens: int) -> None:
        self._eos = special_ids.eos
        self._never_written = [special_ids.pad, special_ids.unknown, special_ids.bos]
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
        """Greedy: the most probable token of every row becomes its previous one, and its position grows.

        log_probs: float32 [max_rows, vocabulary]; previous_ids, positions: int64 [max_rows]; the first `num_rows` of
        them are read and written. Returns the rows that ended, the last first, so that a row taken out leaves those
        still to come where they are.
        """
        rows, scores = self._row[:num_rows], log_probs[:num_rows]
        scores[:, self._never_written] = -np.inf
        ids = scores.argmax(axis=1)
        self.log_prob[:num_rows] += scores[rows, ids]
        self.output_ids[rows, positions[:num_rows]] = ids
        previous_ids[:num_rows] = ids
        positions[:num_rows] += 1
        at_end = ids == self._eos
        at_limit = positions[:num_rows] >= self.limit[:num_rows]
        return [Ended(int(row), not at_end[row]) for row in np.flatnonzero(at_end | at_limit)[::-1]]
