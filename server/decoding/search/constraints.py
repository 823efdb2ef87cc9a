"""What a hypothesis may not write, as changes to the scores of its next token.

Every class has `apply(scores, output_ids)`: scores float32 [vocabulary], changed in place; output_ids, what the
hypothesis has written. A token that is not allowed gets minus infinity.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from server.bundle.manifest import SpecialIds
from server.messages.hypothesis import Float32
from server.text.pieces import Pieces, begins_word

if TYPE_CHECKING:
    from server.messages.options import DecodingOptions


class Constraint(Protocol):
    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None: ...


class Constraints:
    """All that the hypotheses of a sentence keep. What is forced wins over what is forbidden."""

    def __init__(self, options: "DecodingOptions", special_ids: SpecialIds) -> None:
        self._prefix = options.prefix
        self._all: list[Constraint] = []
        if options.repetition_penalty != 1.0:
            self._all.append(RepetitionPenalty(options.repetition_penalty))
        self._all.append(Never(special_ids.never_written))
        if options.min_output_tokens:
            self._all.append(MinLength(options.min_output_tokens, special_ids.eos))
        if options.no_repeat_ngram_size:
            self._all.append(NoRepeatNgram(options.no_repeat_ngram_size))
        if options.forbidden:
            self._all.append(options.forbidden)

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        if len(output_ids) < len(self._prefix):
            keep_only(scores, [self._prefix[len(output_ids)]])
            return
        for constraint in self._all:
            constraint.apply(scores, output_ids)


class Never:
    """Tokens that no translation contains."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        scores[self._ids] = -np.inf


class MinLength:
    """No end before so many tokens."""

    def __init__(self, min_output_tokens: int, eos: int) -> None:
        self._min_output_tokens = min_output_tokens
        self._eos = eos

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        if len(output_ids) < self._min_output_tokens:
            scores[self._eos] = -np.inf


class NoRepeatNgram:
    """No sequence of n tokens occurs twice (Paulus et al. 2018, section 2.5)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        size = self._size
        if len(output_ids) < size:
            return
        last = list(output_ids[len(output_ids) - size + 1 :])
        for end in range(size - 1, len(output_ids)):
            if list(output_ids[end - size + 1 : end]) == last:
                scores[output_ids[end]] = -np.inf


class RepetitionPenalty:
    """A token that was written before costs more: its log-probability is multiplied (after Keskar et al. 2019)."""

    def __init__(self, penalty: float) -> None:
        self._penalty = penalty

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        scores[list(set(output_ids))] *= self._penalty


class ForbiddenPhrases:
    """Texts that no hypothesis contains, however they may be cut into tokens; words only from their beginning."""

    def __init__(self, phrases: Sequence[str], pieces: Pieces) -> None:
        """phrases: with SentencePiece's sign for their spaces, and none before them; none is empty."""
        self.phrases = tuple(phrases)
        self._pieces = pieces
        self._longest = max(map(len, phrases), default=0)
        self._whole = [id_ for phrase in phrases for id_ in pieces.containing(phrase)]
        """Pieces that contain one, whatever stands before them."""
        self._endings: dict[str, list[tuple[str, list[int]]]] = {}
        """By the last character that stands there: a phrase's beginning that ends with it, and pieces that write all of
        the rest; and under "", where nothing of the phrase stands there."""
        for phrase in phrases:
            for start in range(len(phrase)):
                ids = pieces.beginning_with(phrase[start:])
                if ids:
                    self._endings.setdefault(phrase[:start][-1:], []).append((phrase[: start or 1], ids))

    def __repr__(self) -> str:
        return repr(self.phrases)

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        if not self.phrases:
            return
        scores[self._whole] = -np.inf
        # A piece has a character at least, and one more before the phrase says whether a word begins there.
        written = "".join(self._pieces.texts[id_] for id_ in output_ids[-self._longest - 1 :])
        for first, ids in self._endings.get("", ()):
            if begins_word(first, written[-1:]):
                scores[ids] = -np.inf
        for beginning, ids in self._endings.get(written[-1:], ()) if written else ():
            before = written[: len(written) - len(beginning)][-1:]
            if written.endswith(beginning) and begins_word(beginning, before):
                scores[ids] = -np.inf


def contains(text: str, phrase: str) -> bool:
    """Whether a text has a phrase, which is not the later part of a word."""
    at = text.find(phrase)
    while at >= 0:
        if begins_word(phrase, text[at - 1 : at]):
            return True
        at = text.find(phrase, at + 1)
    return False


def keep_only(scores: Float32, ids: Sequence[int]) -> None:
    """Nothing but these tokens, with the scores that they have."""
    kept = scores[list(ids)]
    scores.fill(-np.inf)
    scores[list(ids)] = kept
