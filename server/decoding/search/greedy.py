"""Plain greedy decoding of many sentences at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from server.bundle.manifest import SpecialIds
from server.messages.hypothesis import Ending, Hypothesis, length_penalty
from server.messages.options import DecodingOptions


@dataclass(slots=True, eq=False)
class Greedy:
    """One sentence: its only hypothesis, and its row."""

    options: DecodingOptions
    row: int
    hypothesis: Hypothesis = field(default_factory=Hypothesis)

    def finished(self) -> Hypothesis:
        hypothesis = self.hypothesis
        hypothesis.total = hypothesis.log_prob
        hypothesis.score = hypothesis.total / length_penalty(hypothesis.num_scored, self.options.length_penalty)
        return hypothesis


def forbid(scores: np.ndarray, special_ids: SpecialIds) -> None:
    """Take out what no translation contains: scores [rows, vocabulary], changed in place."""
    for id_ in special_ids.never_written:  # a column at a time: an index of several is far slower
        scores[:, id_] = -np.inf


def advance_greedy(
    rows: Iterable[Greedy],
    special_ids: SpecialIds,
    log_probs: npt.NDArray[np.float32],
    previous_ids: npt.NDArray[np.int64],
) -> list[Greedy]:
    """Write the most probable token of each; returns those that end with it.

    log_probs: float32 [rows of the batch, vocabulary], which may be changed in place; previous_ids: int64 [rows of the
    batch], written for these rows.

    A loop over rows, because after a step ONNX Runtime has the processor's caches to itself: one call of a NumPy
    function that is not in them takes as long as the loop does for many rows.
    """
    ids = log_probs.argmax(axis=1).tolist()
    if not set(ids).isdisjoint(special_ids.never_written):  # hardly ever; a row that is not greedy may cause it
        forbid(log_probs, special_ids)
        ids = log_probs.argmax(axis=1).tolist()
    log_prob_of, eos = log_probs.item, special_ids.eos
    ended = []
    for greedy in rows:
        row, hypothesis = greedy.row, greedy.hypothesis
        id_ = ids[row]
        hypothesis.log_prob += log_prob_of(row, id_)
        if id_ == eos:
            hypothesis.ending = Ending.EOS
            ended.append(greedy)
            continue
        output_ids = hypothesis.output_ids
        output_ids.append(id_)
        previous_ids[row] = id_
        if len(output_ids) >= greedy.options.max_output_tokens:
            hypothesis.ending = Ending.LIMIT
            ended.append(greedy)
    return ended
