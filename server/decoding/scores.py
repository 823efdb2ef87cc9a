"""What a step says of the next tokens: log-probabilities in columns, and which token each column stands for.

A row's columns stand for all tokens, a column each, or, where its sentence has a shortlist, for those of the list in
the order of their ids. Searches work in columns, however many tokens a vocabulary has, and map what they choose.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from server.bundle.shortlist import Int64, list_width
from server.messages.hypothesis import Float32


class ByToken(Protocol):
    """The scores of one row by token ids, whatever its columns; a token without a column has minus infinity."""

    def __getitem__(self, ids: Any, /) -> Any: ...

    def __setitem__(self, ids: Any, scores: Any, /) -> None: ...

    def fill(self, score: float, /) -> None: ...


class Columns:
    """Which token each column of one sentence's scores stands for."""

    def __init__(self, listed: Int64 | None = None) -> None:
        """`listed`: the tokens of the sentence's list, in ascending order; None for all tokens."""
        self._listed = listed
        self._width = None if listed is None else list_width(len(listed))

    def of_rows(self, log_probs: Float32) -> Float32:
        """The sentence's columns of its rows: [rows, columns of the batch] -> [rows, columns]."""
        return log_probs[:, : self._width]

    def of(self, ids: Any) -> Any:
        """The columns of token ids: one, or int64 [n]; of those that are not listed, the last, which has minus
        infinity."""
        if self._listed is None or self._width is None:
            return ids
        places = np.minimum(self._listed.searchsorted(ids), len(self._listed) - 1)
        return np.where(self._listed[places] == ids, places, self._width - 1)

    def ids(self, columns: Int64) -> Int64:
        """The token ids of columns that have a token."""
        return columns if self._listed is None else self._listed[columns]

    def by_token(self, scores: Float32) -> ByToken:
        """A view of one row's scores: [columns]."""
        return scores if self._listed is None else _ListedByToken(scores, self)


EVERY_TOKEN = Columns()


class _ListedByToken:
    def __init__(self, scores: Float32, columns: Columns) -> None:
        self._scores = scores
        self._columns = columns

    def __getitem__(self, ids: Any) -> Any:
        return self._scores[self._columns.of(ids)]

    def __setitem__(self, ids: Any, scores: Any) -> None:
        self._scores[self._columns.of(ids)] = scores
        self._scores[-1] = -np.inf  # of all that are not listed

    def fill(self, score: float) -> None:
        self._scores.fill(score)


class ListedRows(NamedTuple):
    """Which rows of a batch have lists, and what their columns stand for."""

    is_listed: np.ndarray
    """bool [rows]"""
    ids: Int64
    """[rows, columns of lists]; of rows without a list it says nothing."""
    eos_columns: Int64
    """[rows], likewise."""


class StepScores:
    """The log-probabilities of all rows of the batch after a step."""

    def __init__(self, log_probs: Float32, listed: ListedRows | None = None) -> None:
        """log_probs: [rows, columns], minus infinity behind a list's end; `listed`: None where no row has a list."""
        self.log_probs = log_probs
        """Whoever looks last may change them."""
        self._listed = listed

    def ids(self, rows: Int64, columns: Int64) -> Int64:
        """The tokens of columns, each of the row beside it: [n], [n] -> [n]."""
        if self._listed is None:
            return columns
        is_listed, ids, _ = self._listed
        return np.where(is_listed[rows], ids[rows, np.minimum(columns, ids.shape[1] - 1)], columns)

    def take(self, rows: Int64) -> "StepScores":
        """A copy of these rows: [n]."""
        listed = self._listed and ListedRows(*(array[rows] for array in self._listed))
        return StepScores(self.log_probs[rows], listed)

    def eos_column(self, row: int, eos: int) -> int:
        """The column of the end of the sentence in a row."""
        is_listed = self._listed is not None and self._listed.is_listed[row]
        return int(self._listed.eos_columns[row]) if self._listed and is_listed else eos

    def forbid(self, ids: Sequence[int]) -> None:
        """Take out tokens that no translation contains; lists never have them."""
        for id_ in ids:  # a column at a time: an index of several is far slower
            if self._listed is None:
                self.log_probs[:, id_] = -np.inf
            elif id_ < self.log_probs.shape[1]:
                self.log_probs[~self._listed.is_listed, id_] = -np.inf
