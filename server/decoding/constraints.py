"""What a hypothesis may not write, as changes to the scores of its next token.

Every class has `apply(scores, output_ids)`: scores float32 [vocabulary], changed in place; output_ids, what the
hypothesis has written. A token that is not allowed gets minus infinity.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from server.bundle import SpecialIds
from server.decoding.hypothesis import Float32
from server.text import Pieces, begins_word

if TYPE_CHECKING:
    from server.decoding.options import DecodingOptions


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
        self._all += options.forbidden

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


class ForbiddenPhrase:
    """A text that no hypothesis contains at the beginning of a word, however it may be cut into tokens."""

    def __init__(self, phrase: str, pieces: Pieces) -> None:
        """phrase: with SentencePiece's sign for its spaces, and none before it."""
        self.phrase = phrase
        self._pieces = pieces

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForbiddenPhrase) and self.phrase == other.phrase

    def __hash__(self) -> int:
        return hash(self.phrase)

    @functools.cached_property
    def _whole(self) -> list[int]:
        """Pieces that contain it, whatever stands before them."""
        return self._pieces.containing(self.phrase)

    @functools.cached_property
    def _beginning(self) -> list[list[int]]:
        """Of each number of characters that stand there already: pieces that write all the others."""
        return [self._pieces.beginning_with(self.phrase[start:]) for start in range(len(self.phrase))]

    def is_in(self, text: str) -> bool:
        at = text.find(self.phrase)
        while at >= 0:
            if begins_word(self.phrase, text[at - 1 : at]):
                return True
            at = text.find(self.phrase, at + 1)
        return False

    def apply(self, scores: Float32, output_ids: Sequence[int]) -> None:
        scores[self._whole] = -np.inf
        texts = self._pieces.texts
        # A piece has a character at least, and one more before the phrase says whether a word begins there.
        written = "".join(texts[id_] for id_ in output_ids[-len(self.phrase) - 1 :])
        for start, ids in enumerate(self._beginning):
            if ids and written.endswith(self.phrase[:start]):
                before = written[len(written) - start - 1 : len(written) - start]
                if begins_word(self.phrase, before):
                    scores[ids] = -np.inf


def keep_only(scores: Float32, ids: Sequence[int]) -> None:
    """Nothing but these tokens, with the scores that they have."""
    kept = scores[list(ids)]
    scores.fill(-np.inf)
    scores[list(ids)] = kept
