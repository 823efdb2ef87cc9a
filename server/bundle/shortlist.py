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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

WIDTH_STEP = 128
"""Lists are padded to a multiple of so many ids: sums over them are then made in the same order, however long they
are."""


@dataclass(frozen=True)
class Shortlist:
    frequent: Int64
    candidates: Int64
    weights: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32] | None = None

    def of(self, ids: Sequence[int], further: Sequence[int] = ()) -> Int64:
        """The list of a source, ordered: int64 [width]. `further`: ids that have to be on it."""
        is_listed = np.zeros(len(self.weights) + 1, bool)
        is_listed[self.frequent] = True
        is_listed[self.candidates[list(ids)]] = True  # -1, which is none, is the last
        is_listed[list(further)] = True
        return np.flatnonzero(is_listed[:-1])


def read_shortlist(path: Path) -> Shortlist:
    """Read `shortlist.npz`. Raises OSError, ValueError or KeyError for a damaged file."""
    with np.load(path, allow_pickle=False) as arrays:
        frequent, candidates, weights, scales = (
            arrays[name] for name in ("frequent", "candidates", "weights", "scales")
        )
        return Shortlist(frequent, candidates, weights, scales, arrays.get("biases"))


def write_shortlist(path: Path, shortlist: Shortlist) -> None:
    np.savez_compressed(path, **{name: array for name, array in vars(shortlist).items() if array is not None})


def padded(width: int) -> int:
    return -(-width // WIDTH_STEP) * WIDTH_STEP
