"""The vocabulary shortlist of a model: which target tokens are likely for a source, and the weights that score them.

It is the bundle's file `shortlist.npz`:
    frequent     int64 [frequent]: target ids that are on every list
    candidates   int64 [source vocabulary, candidates]: of each source id, likely target ids, -1 behind the last
    weights      int8 [vocabulary, features], scales float32 [vocabulary]: the output layer, by target token
    biases       float32 [vocabulary]: the output layer's bias; absent where it has none

A sentence's list is the union of those of its tokens. It depends on the sentence alone, and so do the log-probabilities
that are normalised over it, whatever the lists of its neighbours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

WIDTH_STEP = 128
"""Lists are padded to a multiple of so many columns: sums over them are then made in the same order, however long they
are."""


@dataclass(frozen=True)
class Shortlist:
    frequent: Int64
    candidates: Int64
    weights: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32] | None = None

    def of(self, ids: Sequence[int], further: Sequence[int] = ()) -> Int64:
        """The list of a source, in ascending order: int64 [listed]. `further`: ids that have to be on it."""
        listed = np.unique(np.concatenate([self.frequent, self.candidates[list(ids)].reshape(-1), list(further)]))
        return listed[np.searchsorted(listed, 0) :].astype(np.int64, copy=False)  # without -1, which is none

    def without(self, ids: Sequence[int]) -> "Shortlist":
        """The same, with lists that never have these ids."""
        frequent = np.setdiff1d(self.frequent, ids)
        return replace(self, frequent=frequent, candidates=np.where(np.isin(self.candidates, ids), -1, self.candidates))


def read_shortlist(path: Path) -> Shortlist:
    """Read `shortlist.npz`. Raises OSError, ValueError or KeyError for a damaged file."""
    with np.load(path, allow_pickle=False) as arrays:
        frequent, candidates, weights, scales = (
            arrays[name] for name in ("frequent", "candidates", "weights", "scales")
        )
        return Shortlist(frequent, candidates, weights, scales, arrays.get("biases"))


def write_shortlist(path: Path, shortlist: Shortlist) -> None:
    np.savez_compressed(path, **{name: array for name, array in vars(shortlist).items() if array is not None})


def list_width(num_listed: int) -> int:
    """Columns that a list of so many ids has: one more at least, so that the last one stands for what is not listed."""
    return (num_listed // WIDTH_STEP + 1) * WIDTH_STEP
