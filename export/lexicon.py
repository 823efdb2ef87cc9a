"""Which target tokens belong to which source tokens, by co-occurrence: IBM Model 1 (Brown et al. 1993)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ITERATIONS = 5
NULL = 0
"""Source id of target tokens that belong to no source token: an id that no sentence contains."""

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lexicon:
    """t(target | source) of every pair that shares a sentence, ordered by source."""

    source_ids: Int64
    target_ids: Int64
    probabilities: npt.NDArray[np.float64]
    """[pairs], as are the source ids and the target ids."""

    def best(self, source_id: int, number: int) -> Int64:
        """The most probable translations of one source token, the best first."""
        start, end = np.searchsorted(self.source_ids, [source_id, source_id + 1])
        order = np.argsort(-self.probabilities[start:end], kind="stable")[:number]
        return self.target_ids[start:end][order]


def train_lexicon(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], vocabulary_size: int) -> Lexicon:
    """Train a lexicon on token ids of sentence pairs, without special ids."""
    source_column, target_column, token_column = _cooccurrences(sources, targets)
    keys, entries = np.unique(source_column * vocabulary_size + target_column, return_inverse=True)
    source_ids, target_ids = np.divmod(keys, vocabulary_size)
    probabilities = np.full(len(keys), 1.0)
    for _ in range(ITERATIONS):
        expected = probabilities[entries]  # of each link, in proportion
        expected /= np.bincount(token_column, expected)[token_column]
        counts = np.bincount(entries, expected)
        probabilities = counts / np.bincount(source_ids, counts)[source_ids]
    return Lexicon(source_ids, target_ids, probabilities)


def _cooccurrences(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> tuple[Int64, Int64, Int64]:
    """Every possible link: its source id, its target id, and the number of the target token in the corpus."""
    parts: tuple[list[Int64], list[Int64], list[Int64]] = ([], [], [])
    num_tokens = 0
    for source, target in zip(sources, targets, strict=True):
        width, length = len(source) + 1, len(target)
        parts[0].append(np.tile(np.array([NULL, *source]), length))
        parts[1].append(np.repeat(np.array(target, np.int64), width))
        parts[2].append(np.repeat(np.arange(num_tokens, num_tokens + length), width))
        num_tokens += length
    return np.concatenate(parts[0]), np.concatenate(parts[1]), np.concatenate(parts[2])
