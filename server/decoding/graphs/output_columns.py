"""The columns of the output layer that the shortlists of the running rows need."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from server.bundle.shortlist import Int64, Shortlist, list_width


class OutputColumns:
    """The columns of the output layer that the running rows need together, side by side.

    Columns are added as sentences join; when there is no more room, those that no running row needs are left out.
    """

    def __init__(self, shortlist: Shortlist) -> None:
        self._shortlist = shortlist
        self._replace(np.zeros(0, np.int64))

    def add(self, joining: Int64, running: Iterable[Int64]) -> bool:
        """Gather the columns of a list that joins, beside the columns that running lists still need. Returns whether
        the columns that were there are others now."""
        missing = joining[self._column[joining] < 0]
        is_full = self._num_columns + len(missing) > len(self.scales)
        if is_full:
            self._replace(np.unique(np.concatenate([joining, *running])))
        else:
            self._append(missing)
        return is_full

    def of(self, ids: Int64) -> Int64:
        """The column number of each id."""
        columns: Int64 = self._column[ids]
        return columns

    @property
    def inputs(self) -> dict[str, npt.NDArray[np.generic]]:
        """The inputs of the graph that all rows share; other arrays once `add` has returned True."""
        return {"weights": self.weights, "scales": self.scales}

    def _replace(self, ids: Int64) -> None:
        """Begin anew, with the columns of these ids."""
        vocabulary_size, num_features = self._shortlist.weights.shape
        width = list_width(min(len(ids) * 5 // 4, vocabulary_size))  # room for those who join next
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
