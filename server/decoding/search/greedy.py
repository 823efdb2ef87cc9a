"""Plain greedy decoding of many sentences at once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle.manifest import SpecialIds
from server.decoding.open_sentence import OpenSentence
from server.decoding.rows import RunningRows
from server.decoding.scores import StepScores
from server.decoding.search.holder import NonFiniteScores, StepResult
from server.messages.hypothesis import Ending, Hypothesis, length_penalty
from server.messages.options import DecodingOptions


@dataclass(slots=True, eq=False)
class Greedy:
    """One sentence: its only hypothesis, and its row."""

    options: DecodingOptions
    row: int
    hypothesis: Hypothesis = field(default_factory=Hypothesis)

    def finished(self) -> Hypothesis:
        """The hypothesis, which has an ending, with its score."""
        hypothesis = self.hypothesis
        hypothesis.total = hypothesis.log_prob
        hypothesis.score = hypothesis.total / length_penalty(hypothesis.num_scored, self.options.length_penalty)
        return hypothesis


class Ended(NamedTuple):
    """Sentences that a step has ended."""

    finished: list[Greedy]
    """Sentences whose hypothesis has an ending."""
    broken: list[Greedy]
    """Sentences whose best log-probability is NaN, above 0 or minus infinity."""


class GreedySentences:
    """The holder of plain greedy sentences, which have one row each."""

    def __init__(self, rows: RunningRows, special_ids: SpecialIds) -> None:
        self._rows = rows
        self._special_ids = special_ids
        self.held: dict[OpenSentence, Greedy] = {}
        self._streaming: dict[OpenSentence, Greedy] = {}
        """Sentences whose listeners are told of every token."""

    def takes(self, options: DecodingOptions) -> bool:
        return options.is_plain_greedy

    def num_rows(self, options: DecodingOptions) -> int:
        return 1

    def join(self, joining: OpenSentence) -> None:
        greedy = self.held[joining] = Greedy(joining.sentence.options, joining.rows[0])
        if joining.sentence.streams:
            self._streaming[joining] = greedy

    def leave(self, leaving: OpenSentence) -> None:
        self.held.pop(leaving, None)
        self._streaming.pop(leaving, None)

    def move(self, owner: OpenSentence, source: int, target: int) -> None:
        self.held[owner].row = target

    def advance(self, scores: StepScores, result: StepResult) -> None:
        ended = advance_greedy(self.held.values(), self._special_ids, scores, self._rows.previous_ids)
        for greedy in ended.finished:
            result.finish(self._owner(greedy), [greedy.finished()])
        for greedy in ended.broken:
            broken = self._owner(greedy)
            self._streaming.pop(broken, None)  # it has written nothing
            result.fail(broken, NonFiniteScores("the best log-probability is none"))
        for opened, greedy in self._streaming.items():
            if not greedy.hypothesis.ending:
                result.write(opened, Hypothesis(greedy.hypothesis.output_ids[-1:]))

    def _owner(self, greedy: Greedy) -> OpenSentence:
        owner = self._rows.owners[greedy.row]
        assert owner
        return owner


def _best_first(scores: StepScores, row: int, special_ids: SpecialIds) -> tuple[int, float]:
    """The most probable token that a translation may begin with, and its log-probability."""
    first = scores.take(np.array([row]))
    first.forbid(special_ids.forbidden)
    first.log_probs[0, first.eos_column(0, special_ids.eos)] = -np.inf
    column = first.log_probs.argmax(axis=1)
    return int(first.ids(np.array([0]), column)[0]), float(first.log_probs[0, column[0]])


def _best(scores: StepScores) -> tuple[list[int], list[int]]:
    """The most probable column of every row, and its token."""
    columns = scores.log_probs.argmax(axis=1)
    return columns.tolist(), scores.ids(np.arange(len(columns)), columns).tolist()


def advance_greedy(
    rows: Iterable[Greedy],
    special_ids: SpecialIds,
    scores: StepScores,
    previous_ids: npt.NDArray[np.int64],
) -> Ended:
    """Write the most probable token of each; returns those that end with it, and those that have none. The end of the
    sentence is never the first token; a row that may write nothing else ends by its constraints (a shortlist).

    scores: of all rows of the batch, changed in place; previous_ids: int64 [rows of the batch], written for these rows.

    A loop over rows, because after a step ONNX Runtime has the processor's caches to itself: one call of a NumPy
    function that is not in them takes as long as the loop does for many rows.
    """
    columns, ids = _best(scores)
    if not set(ids).isdisjoint(special_ids.forbidden):  # hardly ever; a row that is not greedy may cause it
        scores.forbid(special_ids.forbidden)
        columns, ids = _best(scores)
    log_probs = scores.log_probs
    log_prob_of, eos, minus_infinity = log_probs.item, special_ids.eos, -math.inf
    ended = Ended([], [])
    for greedy in rows:
        row, hypothesis = greedy.row, greedy.hypothesis
        output_ids, id_ = hypothesis.output_ids, ids[row]
        log_prob = log_prob_of(row, columns[row])
        if not minus_infinity < log_prob <= 0.0:  # of a row with NaN, the largest is NaN
            ended.broken.append(greedy)
            continue
        if id_ == eos:
            if output_ids:
                hypothesis.log_prob += log_prob
                hypothesis.ending = Ending.EOS
                ended.finished.append(greedy)
                continue
            id_, log_prob = _best_first(scores, row, special_ids)
            if log_prob == minus_infinity:
                hypothesis.ending = Ending.CONSTRAINTS
                ended.finished.append(greedy)
                continue
        hypothesis.log_prob += log_prob
        output_ids.append(id_)
        previous_ids[row] = id_
        if len(output_ids) >= greedy.options.max_output_tokens:
            hypothesis.ending = Ending.LIMIT
            ended.finished.append(greedy)
    return ended
