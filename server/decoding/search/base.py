"""What every search offers: it is shown log-probabilities, and says how its hypotheses go on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle.manifest import SpecialIds
from server.decoding.scores import EVERY_TOKEN, Columns
from server.messages.hypothesis import (
    Attention,
    Ending,
    Float32,
    Hypothesis,
    coverage_penalty,
    length_penalty,
    num_agreed,
)
from server.messages.options import DecodingOptions

Int64 = npt.NDArray[np.int64]

_NUM_BLOCKS = 256
"""Blocks of scores, the largest of which bound the best scores; many more than a beam asks for."""


class Continuation(NamedTuple):
    """How a hypothesis lives on; several may continue one parent."""

    parent: int
    """Index among the hypotheses that lived before."""
    id: int
    """The token that the hypothesis writes."""


class Search(ABC):
    """The hypotheses of one sentence. Its end is when `advance` returns nothing; the result is `ranked` then.

    A translation of something is not empty: EOS is never the first token of a hypothesis, and one that may begin with
    nothing else is cut by its constraints. Only a translation that is given, to be scored, may be empty (`forced.py`).
    """

    def __init__(self, options: DecodingOptions, special_ids: SpecialIds, columns: Columns = EVERY_TOKEN) -> None:
        self.options = options
        self.columns = columns
        self.eos = special_ids.eos
        self.live = [Hypothesis()]
        """Hypotheses that live, in the order of the last continuations; at first there is one, which is empty."""
        self.finished: list[Hypothesis] = []
        self._num_told = 0

    @abstractmethod
    def advance(self, log_probs: Float32, attention: Attention | None) -> list[Continuation]:
        """Take one step. log_probs: [live, columns]; attention: of those that live, where the options need it.

        Neither array is changed, nor kept. Returns how the hypotheses live on, at most `options.num_rows`.
        """

    def ranked(self) -> list[Hypothesis]:
        """The finished hypotheses, the best first; none has the tokens of another, but for sampled ones."""
        return sorted(self.finished, key=lambda hypothesis: -hypothesis.score)

    def take_agreed(self) -> Hypothesis | None:
        """Tokens that have become certain since the last call, as a piece of a hypothesis; None where there are none.

        Certain is what all hypotheses begin with, both the living and the finished ones: so the best of them, whichever
        it will be, begins with it.
        """
        part = agreed([*self.live, *self.finished], self._num_told)
        self._num_told += len(part.output_ids)
        return part if part.output_ids else None

    def finish(self, hypothesis: Hypothesis) -> None:
        """Take in a hypothesis that has an ending, and give it its score."""
        options = self.options
        penalty = length_penalty(hypothesis.num_scored, options.length_penalty)
        coverage = coverage_penalty(hypothesis.attention, options.coverage_penalty)
        hypothesis.score = hypothesis.total / penalty + coverage
        self.finished.append(hypothesis)

    def cut_at_limit(self) -> bool:
        """Finish the hypotheses that live if they have as many tokens as they may have; all of them are of one length.
        Returns whether none lives now."""
        if self.live and len(self.live[0].output_ids) < self.options.max_output_tokens:
            return False
        self.cut_all(Ending.LIMIT)
        return True

    def cut_all(self, ending: Ending) -> None:
        """Finish all hypotheses that live, with this ending."""
        for hypothesis in self.live:
            self.finish(hypothesis.cut(ending))
        self.live = []


def agreed(hypotheses: Sequence[Hypothesis], start: int) -> Hypothesis:
    """The tokens that all hypotheses begin with, from token `start` on: a piece of a hypothesis."""
    certain, part = hypotheses[0], slice(start, num_agreed(hypotheses))
    return Hypothesis(
        certain.output_ids[part],
        token_log_probs=certain.token_log_probs[part],
        attention=certain.attention[part],
        attention_by_head=certain.attention_by_head[part],
    )


def best(scores: Float32, number: int) -> Int64:
    """Indices of the `number` best of scores [n] that are not minus infinity, the best first, equals by index."""
    bound = _bound(scores, min(number, len(scores)))
    indices = np.flatnonzero(scores >= bound) if bound > -np.inf else np.flatnonzero(scores > -np.inf)
    return indices[np.argsort(-scores[indices], kind="stable")[:number]]


def _bound(scores: Float32, number: int) -> float:
    """A score that the `number` best reach, and few others.

    It comes from the largest scores of many blocks, which is far less work than a partial sort of all scores.
    """
    size = len(scores) // _NUM_BLOCKS
    if size > 1 and number < _NUM_BLOCKS:
        scores = scores[: size * _NUM_BLOCKS].reshape(size, _NUM_BLOCKS).max(axis=0)
    return float(np.partition(scores, -number)[-number])
