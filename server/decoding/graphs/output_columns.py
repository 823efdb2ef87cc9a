"""The columns of the output layer that the shortlists of the running rows need."""

from collections.abc import Sequence

import numpy as np

from server.bundle.shortlist import Int64, Shortlist, padded


class OutputColumns:
    """The columns of the output layer that the running rows need together, side by side.

    Columns are added as sentences join; when there is no more room, those that no running row needs are left out.
    """

    def __init__(self, shortlist: Shortlist, pad: int) -> None:
        self._shortlist = shortlist
        self._pad = pad
        self._replace(np.array([pad]))

    def add(self, lists: Sequence[Int64], running: Int64) -> None:
        """Gather the columns of all tokens of the lists, beside the columns that running rows still need."""
        for ids in lists:
            missing = ids[self._column[ids] < 0]
            if self._num_columns + len(missing) <= len(self.scales):
                self._append(missing)
            else:
                self._replace(np.unique(np.concatenate([*lists, [self._pad], running.reshape(-1)])))
                return

    def of(self, ids: Int64) -> Int64:
        """The column number of each id."""
        columns: Int64 = self._column[ids]
        return columns

    def _replace(self, ids: Int64) -> None:
        """Begin anew, with the columns of these ids."""
        vocabulary_size, num_features = self._shortlist.weights.shape
        width = padded(min(len(ids) * 5 // 4, vocabulary_size))  # room for those who join next
        self.weights = np.zeros((num_features, width), np.int8)
        self.scales = np.ones(width, np.float32)
        self._column = np.full(vocabulary_size, -1)
        self._num_columns = 0
        self._append(ids)

    def _append(self, ids: Int64) -> None:
        columns = slice(self._num_columns, self._num_columns + len(ids))
        self.weights[:, columns] = self._shortlist.weights[ids].T
        self.scales[columns] = self._shortlist.scales[ids]
        self._column[ids] = np.arange(columns.start, columns.stop)
        self._num_columns = columns.stop
