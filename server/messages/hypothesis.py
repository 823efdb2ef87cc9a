"""One hypothesis, from its first token to its end, and what it is ranked by."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


class Ending(enum.Enum):
    """Why a hypothesis ends."""

    EOS = enum.auto()
    """The model ended it."""
    LIMIT = enum.auto()
    """It has as many output tokens as it may have."""
    CONSTRAINTS = enum.auto()
    """No token was left that its constraints allow."""


class Attention(NamedTuple):
    """What one hypothesis attended to in a step, or several did, whose arrays have one dimension more, the first."""

    mean: Float32
    """The mean of the heads that count, [source]."""
    by_head: Float32 | None = None
    """Every head by itself, [heads, source]; None where nobody asked."""

    def of(self, index: int) -> "Attention":
        """That of one of several, as arrays of its own: the others' are not kept with it."""
        return Attention(self.mean[index].copy(), self.by_head[index].copy() if self.by_head is not None else None)


@dataclass(slots=True)
class Hypothesis:
    """One translation of a sentence; it lives, and grows, until it has an `ending`."""

    output_ids: list[int] = field(default_factory=list)
    """Token ids that it has written, without EOS."""
    log_prob: float = 0.0
    """Sum of the model's own log-probabilities, EOS included where it was written."""
    total: float = 0.0
    """What beams are compared by: `log_prob`, with what a repetition penalty and misplaced terms take from it."""
    token_log_probs: list[float] = field(default_factory=list)
    """The model's own log-probability of each token, EOS included; empty where nobody asked."""
    attention: list[Float32] = field(default_factory=list)
    """Attention of each token, EOS included, over the source, [source]; empty where nobody asked."""
    attention_by_head: list[Float32] = field(default_factory=list)
    """Likewise by head, [heads, source]."""
    ending: Ending | None = None
    score: float = 0.0
    """What finished hypotheses are ranked by."""

    def extended(self, id_: int, log_prob: float, total: float, attention: Attention | None) -> "Hypothesis":
        extended = Hypothesis(
            [*self.output_ids, id_], self.log_prob + log_prob, total, [*self.token_log_probs, log_prob]
        )
        if attention is not None:
            extended.attention = [*self.attention, attention.mean]
            if attention.by_head is not None:
                extended.attention_by_head = [*self.attention_by_head, attention.by_head]
        return extended

    def ended_by_eos(self, eos: int, log_prob: float, total: float, attention: Attention | None) -> "Hypothesis":
        ended = self.extended(eos, log_prob, total, attention)
        ended.output_ids.pop()
        ended.ending = Ending.EOS
        return ended

    def cut(self, ending: Ending) -> "Hypothesis":
        return replace(self, ending=ending)

    def __reduce__(self) -> tuple[Any, ...]:
        """Attention as one array: many small ones take far longer to send to another process."""
        attention = np.concatenate(self.attention).reshape(len(self.attention), -1) if self.attention else ()
        by_head = np.stack(self.attention_by_head) if self.attention_by_head else ()
        scores = self.log_prob, self.total, self.token_log_probs
        return _received, (self.output_ids, *scores, attention, by_head, self.ending, self.score)

    @property
    def num_scored(self) -> int:
        """Number of tokens that have a log-probability: EOS counts where it was written."""
        return len(self.output_ids) + (self.ending is Ending.EOS)

    @property
    def num_attention_bytes(self) -> int:
        """Of its attention: of one source, so that the arrays of each kind are of one size."""
        return sum(len(arrays) * arrays[0].nbytes for arrays in (self.attention, self.attention_by_head) if arrays)


def _received(
    output_ids: list[int],
    log_prob: float,
    total: float,
    token_log_probs: list[float],
    attention: Iterable[Float32],
    by_head: Iterable[Float32],
    ending: Ending | None,
    score: float,
) -> Hypothesis:
    return Hypothesis(output_ids, log_prob, total, token_log_probs, list(attention), list(by_head), ending, score)


def length_penalty(length: int, alpha: float) -> float:
    """What a log-probability is divided by (Wu et al. 2016, equation 14)."""
    return float(((5 + length) / 6) ** alpha)


def coverage_penalty(attention: Sequence[Float32], beta: float) -> float:
    """What is added to a score for a source that was attended to in part only, 0 or less (Wu et al. 2016, equation
    14)."""
    if not attention or not beta:
        return 0.0
    covered = np.sum(attention, axis=0, dtype=np.float64)
    return beta * float(np.log(np.clip(covered, 1e-9, 1.0)).sum())


def num_agreed(hypotheses: Sequence[Hypothesis]) -> int:
    """How many tokens all the hypotheses begin with in common."""
    columns = zip(*(hypothesis.output_ids for hypothesis in hypotheses), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
