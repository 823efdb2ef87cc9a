"""What every search offers: it is shown log-probabilities, and says how its hypotheses go on."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle import SpecialIds
from server.decoding.hypothesis import Ending, Float32, Hypothesis, coverage_penalty, length_penalty, num_agreed
from server.decoding.options import DecodingOptions

Int64 = npt.NDArray[np.int64]

_NUM_BLOCKS = 256
"""Columns whose largest scores bound the best ones; many more than a beam asks for."""


class Continuation(NamedTuple):
    """How a hypothesis lives on; several may continue one parent."""

    parent: int
    """Index among the hypotheses that lived before."""
    id: int


class Search(ABC):
    """The hypotheses of one sentence. Its end is when `advance` returns nothing; the result is `ranked` then."""

    def __init__(self, options: DecodingOptions, special_ids: SpecialIds) -> None:
        self.options = options
        self.eos = special_ids.eos
        self.live = [Hypothesis()]
        """In the order of the last continuations; at first there is one, which is empty."""
        self.finished: list[Hypothesis] = []
        self._num_told = 0

    @abstractmethod
    def advance(self, log_probs: Float32, attention: Float32 | None) -> list[Continuation]:
        """One step: log_probs [live, vocabulary]; attention [live, source] where the options need it.

        Neither is changed, nor kept. Returns how the hypotheses live on, at most `options.num_rows`.
        """

    def ranked(self) -> list[Hypothesis]:
        """The finished hypotheses, the best first; none has the tokens of another, but for sampled ones."""
        return sorted(self.finished, key=lambda hypothesis: -hypothesis.score)

    def take_agreed(self) -> Hypothesis | None:
        """Tokens that have become certain since the last call, as a piece of a hypothesis; None where there are none.

        Certain is what all hypotheses agree on, those that live and those that are finished: the best of them,
        whichever it will be, begins with it.
        """
        hypotheses = [*self.live, *self.finished]
        start, self._num_told = self._num_told, max(self._num_told, num_agreed(hypotheses))
        if start == self._num_told:
            return None
        certain, part = hypotheses[0], slice(start, self._num_told)
        return Hypothesis(
            certain.output_ids[part],
            token_log_probs=certain.token_log_probs[part],
            attention=certain.attention[part],
        )

    def finish(self, hypothesis: Hypothesis) -> None:
        """It has an ending; give it its score."""
        options = self.options
        penalty = length_penalty(hypothesis.num_scored, options.length_penalty)
        coverage = coverage_penalty(hypothesis.attention, options.coverage_penalty)
        hypothesis.score = hypothesis.total / penalty + coverage
        self.finished.append(hypothesis)

    def cut_at_limit(self) -> bool:
        """Finish what lives if it has as many tokens as it may have; all that live are of one length."""
        if self.live and len(self.live[0].output_ids) < self.options.max_output_tokens:
            return False
        self.cut_all(Ending.LIMIT)
        return True

    def cut_all(self, ending: Ending) -> None:
        for hypothesis in self.live:
            self.finish(hypothesis.cut(ending))
        self.live = []


def best(scores: Float32, number: int) -> Int64:
    """Indices of the `number` best of scores [n] that are not minus infinity, the best first, equals by index."""
    bound = _bound(scores[None], min(number, len(scores)))[0]
    indices = np.flatnonzero(scores >= bound) if bound > -np.inf else np.flatnonzero(scores > -np.inf)
    return indices[np.argsort(-scores[indices], kind="stable")[:number]]


def best_of_rows(scores: Float32, number: int) -> tuple[Int64, Float32]:
    """Of each row of scores [rows, n] the `number` best, at most n, the best first, equals by index: indices and
    scores, [rows, number] each."""
    num_rows, width = scores.shape
    reaching = np.flatnonzero(scores >= _bound(scores, number)[:, None])
    row, index = np.divmod(reaching, width)
    values = scores.reshape(-1)[reaching]
    order = np.lexsort((-values, row))
    first = np.searchsorted(row, np.arange(num_rows))  # lexsort leaves the rows in their order
    places = order[first[:, None] + np.arange(number)]
    return index[places], values[places]


def _bound(scores: Float32, number: int) -> Float32:
    """What the `number` best of each row reach, and few others: scores [rows, n] -> [rows].

    The largest scores of many blocks give it, which is far less work than a partial sort of all.
    """
    num_rows, width = scores.shape
    size = width // _NUM_BLOCKS
    if size > 1 and number < _NUM_BLOCKS:
        scores = scores[:, : size * _NUM_BLOCKS].reshape(num_rows, size, _NUM_BLOCKS).max(axis=1)
    bound: Float32 = np.partition(scores, -number, axis=1)[:, -number]
    return bound
