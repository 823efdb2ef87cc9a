"""Independent samples from the model's distribution, each with a row and a random generator of its own."""

import numpy as np
import numpy.typing as npt

from server.bundle.manifest import SpecialIds
from server.decoding.scores import EVERY_TOKEN, Columns
from server.decoding.search.base import Continuation, Search, best
from server.decoding.search.constraints import Constraints
from server.messages.hypothesis import Attention, Ending, Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces

_MOST_LIKELY = 200
"""Number of the best tokens that together mostly have a probability of `top_p`; ordering the whole vocabulary takes
far longer."""


class Sampling(Search):
    """Draws `options.num_samples` hypotheses; what one draws depends on the seed and on its own number alone."""

    def __init__(
        self, options: DecodingOptions, special_ids: SpecialIds, pieces: Pieces, columns: Columns = EVERY_TOKEN
    ) -> None:
        super().__init__(options, special_ids, columns)
        self._constraints = Constraints(options, special_ids, pieces)
        self._generators = [
            np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(index,)))
            for index in range(options.num_samples)
        ]
        """The generator of each hypothesis that lives."""

    def advance(self, log_probs: Float32, attention: Attention | None) -> list[Continuation]:
        is_first = len(self.live) < len(self._generators)  # all samples begin from one row
        parents = [0] * len(self._generators) if is_first else list(range(len(self.live)))
        continuations: list[Continuation] = []
        live: list[Hypothesis] = []
        generators = []
        for parent, generator in zip(parents, self._generators, strict=True):
            hypothesis = self.live[parent]
            scores = log_probs[parent].copy()
            self._constraints.apply(self.columns.by_token(scores), hypothesis.output_ids)
            column = self._draw(scores, generator)
            if column is None:
                self.finish(hypothesis.cut(Ending.CONSTRAINTS))
                continue
            log_prob, drawn = float(log_probs[parent, column]), int(self.columns.ids(np.array(column)))
            attended = attention.of(parent) if attention is not None else None
            total = hypothesis.total + log_prob
            if drawn == self.eos:
                self.finish(hypothesis.ended_by_eos(drawn, log_prob, total, attended))
            else:
                continuations.append(Continuation(parent, drawn))
                live.append(hypothesis.extended(drawn, log_prob, total, attended))
                generators.append(generator)
        self.live, self._generators = live, generators
        return [] if self.cut_at_limit() else continuations

    def _draw(self, scores: Float32, generator: np.random.Generator) -> int | None:
        """Draw one column; None where no token is allowed."""
        columns, probabilities = restricted(scores, self.options.temperature, self.options.top_k, self.options.top_p)
        if not len(columns):
            return None
        bounds = np.cumsum(probabilities)
        drawn = int(np.searchsorted(bounds, generator.random() * bounds[-1], side="right"))
        return int(columns[min(drawn, len(columns) - 1)])


def restricted(
    scores: Float32, temperature: float, top_k: int, top_p: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The columns of tokens that may be drawn, and their weights, to which their probabilities are in proportion. Where
    some are left out, the most probable come first.

    scores: float32 [columns], log-probabilities. The temperature comes first, then the `top_k` best (Fan et al.
    2018), then the fewest of the best that together have a probability of `top_p` (Holtzman et al. 2020).
    """
    most = float(scores.max())
    if most == -np.inf:
        return np.zeros(0, np.int64), np.zeros(0)
    if top_k == 0 and top_p == 1.0:
        columns = np.flatnonzero(scores > -np.inf)
        return columns, _weights(scores[columns], most, temperature)
    number = top_k or _MOST_LIKELY
    while True:
        columns = best(scores, number)
        probabilities = _weights(scores[columns], most, temperature)
        if top_p == 1.0:
            return columns, probabilities
        wanted = top_p * (probabilities if top_k else _weights(scores, most, temperature)).sum()
        sums = np.cumsum(probabilities)
        if top_k or len(columns) < number or sums[-1] >= wanted:
            kept = int(np.searchsorted(sums, wanted)) + 1
            return columns[:kept], probabilities[:kept]
        number *= 4


def _weights(scores: Float32, most: float, temperature: float) -> npt.NDArray[np.float64]:
    """Weights of scores at a temperature, to which probabilities are in proportion; 1 for a score of `most`."""
    return np.exp((scores.astype(np.float64) - most) / temperature)
