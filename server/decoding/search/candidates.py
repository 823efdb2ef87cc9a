"""The best continuations of many beams, found in one pass over their log-probabilities."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from server.messages.hypothesis import Float32

Int64 = npt.NDArray[np.int64]

_MAX_BLOCK = 128
"""Columns of a block: wider ones take longer to look through, narrower ones to find the largest of."""
_MIN_BLOCKS = 16
"""In a row that is wide enough, so that they bound the best well."""


class Candidates(NamedTuple):
    """Continuations of hypotheses; one array each."""

    scores: Float32
    """The log-probability of each token, and what its hypothesis has already; minus infinity where there is no
    continuation."""
    parents: Int64
    """The hypotheses, counted through all beams."""
    ids: Int64
    """The tokens; columns, until who knows what they stand for has put tokens in their place."""
    log_probs: Float32

    def at(self, index: Int64) -> "Candidates":
        """The candidates with these indices, in arrays of the index's shape. The arrays here have one dimension."""
        scores, parents, ids, log_probs = self
        return Candidates(scores.take(index), parents.take(index), ids.take(index), log_probs.take(index))


def find_candidates(log_probs: Float32, rows: Int64, ahead: Float32, number: int) -> Candidates:
    """The `number` best continuations of each beam, the best first, equal ones by hypothesis and column: [beams *
    number], beam by beam.

    log_probs: [rows of the batch, columns], none positive; rows: [beams, size], the rows of their hypotheses; ahead:
    [beams, size], what the hypotheses have already; `number`: at most 2 * size.

    The largest log-probabilities of blocks of columns bound the best scores from below. Only blocks that reach the
    bound are looked through.
    """
    num_beams, size = rows.shape
    num_rows, width = log_probs.shape
    block = max(1, min(_MAX_BLOCK, width // _MIN_BLOCKS))
    num_blocks = -(-width // block)  # the last may be shorter
    starts = np.arange(0, num_rows * width, width)[:, None] + np.arange(0, width, block)
    # Of numbers that are not positive the largest is the smallest integer, and integers compare twice as fast.
    integers = np.minimum.reduceat(log_probs.reshape(-1).view(np.uint32), starts.reshape(-1))
    largest = integers.view(np.float32).reshape(num_rows, num_blocks)
    reached = (largest.take(rows, axis=0) + ahead[:, :, None]).reshape(num_beams, size * num_blocks)
    bounds = np.partition(reached, -number)[:, -number, None]  # [beams, 1]
    parent, number_of_block = np.divmod(np.flatnonzero(reached >= bounds), num_blocks)
    beam = parent // size
    firsts = np.minimum(number_of_block * block, width - block)  # the last block of a row begins in the one before
    windows = as_strided(log_probs, (log_probs.size - block + 1, block), (log_probs.itemsize, log_probs.itemsize))
    values = windows[rows.reshape(-1)[parent] * width + firsts]  # [hits, block]
    scores = values + ahead.reshape(-1)[parent, None]
    hit, place = np.divmod(np.flatnonzero(scores >= bounds[beam]), block)
    if width % block:
        is_own = firsts[hit] + place >= number_of_block[hit] * block
        hit, place = hit[is_own], place[is_own]
    ids, found = firsts[hit] + place, hit * block + place
    candidates = Candidates(scores.reshape(-1)[found], parent[hit], ids, values.reshape(-1)[found])
    beam = beam[hit]
    ordered = np.lexsort((-candidates.scores, beam))
    begins = beam.searchsorted(np.arange(num_beams))
    return candidates.at(ordered[(begins[:, None] + np.arange(number)).reshape(-1)])
