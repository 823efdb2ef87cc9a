"""Holders of rows, which advance the sentences of one kind of decoding each, behind one protocol.

The batch asks once, when a sentence joins, which holder takes it. From then on the holder knows what the sentence has
written, and the batch knows its rows.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from server.decoding.open_sentence import OpenSentence
from server.decoding.scores import StepScores
from server.messages.hypothesis import Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished, Written


class NonFiniteScores(ArithmeticError):
    """What a row has instead of log-probabilities is none: NaN, above 0, or minus infinity throughout."""


class StepResult(NamedTuple):
    """What has become of sentences in a step. Sentences that are finished or have failed have to leave the batch."""

    begun: set[OpenSentence]
    """Sentences whose first token this step was to write."""
    written: list[tuple[OpenSentence, Written]]
    """Tokens that have become certain, of streaming sentences."""
    finished: list[tuple[OpenSentence, Finished]]
    failed: list[tuple[OpenSentence, Exception]]
    """Each with what went wrong with this sentence alone."""

    def write(self, opened: OpenSentence, part: Hypothesis | None) -> None:
        """Note tokens that have become certain, if there are any."""
        if part:
            self.written.append((opened, Written(part)))

    def finish(self, opened: OpenSentence, hypotheses: list[Hypothesis]) -> None:
        """Note that a sentence is finished. Raises NonFiniteScores where it has no hypothesis: all log-probabilities
        were minus infinity."""
        if not hypotheses:
            raise NonFiniteScores("no token has a probability")
        self.finished.append((opened, Finished(hypotheses)))

    def fail(self, opened: OpenSentence, error: Exception) -> None:
        """Note that a sentence has failed."""
        self.failed.append((opened, error))


class RowHolder(Protocol):
    """Holds the rows of running sentences that are decoded in one way."""

    @property
    def held(self) -> Mapping[OpenSentence, object]:
        """What the holder knows of each of its sentences."""

    def takes(self, options: DecodingOptions) -> bool:
        """Whether sentences with these options are the holder's."""

    def num_rows(self, options: DecodingOptions) -> int:
        """Rows that a sentence of the holder's has from the start."""

    def join(self, joining: OpenSentence) -> None:
        """Begin with a sentence, in the rows that it has, in ascending order. What this raises fails that sentence
        alone."""

    def advance(self, scores: StepScores, result: StepResult) -> None:
        """Write a token in every row, after a step, and note in `result` what that comes to. A sentence whose scores
        are none, or whose search raises, fails; all others go on as if it were not there."""

    def leave(self, leaving: OpenSentence) -> None:
        """Forget a sentence that has ended, or that nobody waits for any more. `join` may have raised for it, or may
        not have been called."""

    def move(self, owner: OpenSentence, source: int, target: int) -> None:
        """Note that what was in row `source` is in row `target` now. `owner`: the sentence whose row it is."""


def check_scores(log_probs: Float32) -> None:
    """Raise NonFiniteScores where a log-probability is NaN, or above 0. log_probs: [rows, columns]."""
    largest = log_probs.max(initial=-1.0)  # NaN, where one is
    if not largest <= 0.0:
        raise NonFiniteScores(f"a log-probability is {largest}")
