"""What advances rows: the sentences of one kind of decoding, behind one protocol.

The batch asks once, when a sentence joins, which holder takes it. From then on the holder knows what the sentence has
written, and the batch knows its rows.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from server.decoding.open_sentence import OpenSentence
from server.messages.hypothesis import Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished, Written


class NonFiniteScores(ArithmeticError):
    """Log-probabilities of a row that are none: NaN, above 0, or all of them minus infinity."""


class StepResult(NamedTuple):
    """What a step comes to; whoever finished or failed is to leave."""

    written: list[tuple[OpenSentence, Written]]
    """Of streaming sentences."""
    finished: list[tuple[OpenSentence, Finished]]
    failed: list[tuple[OpenSentence, Exception]]
    """Each with what went wrong with it, and with it alone."""

    def write(self, opened: OpenSentence, part: Hypothesis | None) -> None:
        """Tokens that have become certain, if there are any."""
        if part:
            self.written.append((opened, Written(part)))

    def finish(self, opened: OpenSentence, hypotheses: list[Hypothesis]) -> None:
        """Raises NonFiniteScores where there is none: all log-probabilities were minus infinity."""
        if not hypotheses:
            raise NonFiniteScores("no token has a probability")
        self.finished.append((opened, Finished(hypotheses)))

    def fail(self, opened: OpenSentence, error: Exception) -> None:
        self.failed.append((opened, error))


class RowHolder(Protocol):
    """Sentences of one kind of decoding that run."""

    @property
    def held(self) -> Mapping[OpenSentence, object]:
        """What is known of each of its sentences."""

    def takes(self, options: DecodingOptions) -> bool:
        """Whether sentences with these options are of its kind."""

    def join(self, joining: OpenSentence) -> None:
        """Take its first rows for a sentence, in ascending order. What it raises is that sentence's own failure."""

    def advance(self, result: StepResult) -> None:
        """After a step: write a token for every row, and say what that comes to. A sentence whose scores are none, or
        whose search raises, fails; all others go on as if it were not there."""

    def leave(self, leaving: OpenSentence) -> None:
        """A sentence has ended, or nobody waits for it any more. Whether it has joined or not, `join` was called."""

    def move(self, owner: OpenSentence, source: int, target: int) -> None:
        """What was in row `source`, of a sentence of its own, is in row `target` now."""


def check_scores(log_probs: Float32) -> None:
    """log_probs [rows, vocabulary]. Raises NonFiniteScores where one is NaN, or above 0."""
    largest = log_probs.max(initial=-1.0)  # NaN, where one is
    if not largest <= 0.0:
        raise NonFiniteScores(f"a log-probability is {largest}")
