"""The candidates of many plain beams at once: one pass over all log-probabilities, in place of one a sentence."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from server.bundle import SpecialIds
from server.decoding.beam import BeamSearch, Candidate
from server.decoding.greedy import forbid
from server.decoding.hypothesis import Float32
from server.decoding.search import best_of_rows


def candidates_of(
    searches: Sequence[BeamSearch],
    rows: Sequence[Sequence[int]],
    beam_size: int,
    log_probs: Float32,
    special_ids: SpecialIds,
) -> list[list[Candidate]]:
    """Those that each search would find by itself; all have this beam size, and no constraints.

    rows: of each search, in the order of its hypotheses; log_probs: float32 [rows of the batch, vocabulary], changed in
    place.
    """
    number = min(2 * beam_size, log_probs.shape[1])
    all_rows = list(itertools.chain.from_iterable(rows))
    if len(all_rows) == len(log_probs):  # of the whole batch: no copy of the log-probabilities
        forbid(log_probs, special_ids)
        ids, values = (found[all_rows] for found in best_of_rows(log_probs, number))
    else:
        log_probs = log_probs[all_rows]
        forbid(log_probs, special_ids)
        ids, values = best_of_rows(log_probs, number)
    best_totals = [search.best_total for search in searches]
    ahead = [
        hypothesis.total - best_total
        for search, best_total in zip(searches, best_totals, strict=True)
        for hypothesis in search.live
    ]
    scores = values + np.array(ahead, np.float32)[:, None]
    num_live = [len(own) for own in rows]
    search_of_row = np.repeat(np.arange(len(searches)), num_live)
    order = np.lexsort((-scores.ravel(), search_of_row.repeat(number)))
    first_rows = np.cumsum([0, *num_live[:-1]])[:, None]
    best = order[first_rows * number + np.arange(number)]  # [searches, number], the best of each search
    columns = (scores.ravel()[best], best // number - first_rows, ids.ravel()[best], values.ravel()[best])
    return [
        [
            Candidate(score + best_total, parent, id_, log_prob)
            for score, parent, id_, log_prob in zip(*of_search, strict=True)
            if score > -math.inf
        ]
        for best_total, *of_search in zip(best_totals, *(column.tolist() for column in columns), strict=True)
    ]
