"""What a hypothesis may not write, as changes to the scores of its next token.

Every class has `apply(scores, output_ids)`: scores, those of its tokens, changed in place; output_ids, what the
hypothesis has written. A token that is not allowed gets minus infinity.
"""

import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from server.bundle.manifest import SpecialIds
from server.decoding.scores import ByToken
from server.messages.options import DecodingOptions
from server.text.pieces import Int64, Pieces, begins_word

_PHRASES_KEPT = 16
"""Sets of forbidden phrases that are kept prepared; the sentences of a request have one set together."""


class Constraint(Protocol):
    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None: ...


class Constraints:
    """All that the hypotheses of a sentence keep. What is forced wins over what is forbidden.

    Whatever the options say, no translation is empty: its end is never the first token.
    """

    def __init__(self, options: DecodingOptions, special_ids: SpecialIds, pieces: Pieces) -> None:
        self._prefix = options.prefix
        self._all: list[Constraint] = []
        if options.repetition_penalty != 1.0:
            self._all.append(RepetitionPenalty(options.repetition_penalty))
        self._all.append(Never(special_ids.forbidden))
        self._all.append(MinLength(max(options.min_output_tokens, 1), special_ids.eos))
        if options.no_repeat_ngram_size:
            self._all.append(NoRepeatNgram(options.no_repeat_ngram_size))
        if options.forbidden_phrases:
            self._all.append(_prepare(options.forbidden_phrases, pieces))

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        if len(output_ids) < len(self._prefix):
            keep_only(scores, [self._prefix[len(output_ids)]])
            return
        for constraint in self._all:
            constraint.apply(scores, output_ids)


class Never:
    """Forbids tokens that no translation contains."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = list(ids)

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        scores[self._ids] = -np.inf


class MinLength:
    """Forbids the end before so many tokens are written."""

    def __init__(self, min_output_tokens: int, eos: int) -> None:
        self._min_output_tokens = min_output_tokens
        self._eos = eos

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        if len(output_ids) < self._min_output_tokens:
            scores[self._eos] = -np.inf


class NoRepeatNgram:
    """Forbids that a sequence of n tokens occurs twice (Paulus et al. 2018, section 2.5)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        size = self._size
        if len(output_ids) < size:
            return
        last = list(output_ids[len(output_ids) - size + 1 :])
        for end in range(size - 1, len(output_ids)):
            if list(output_ids[end - size + 1 : end]) == last:
                scores[output_ids[end]] = -np.inf


class RepetitionPenalty:
    """Makes a token that was written before cost more: its log-probability is multiplied (after Keskar et al. 2019)."""

    def __init__(self, penalty: float) -> None:
        self._penalty = penalty

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        scores[list(set(output_ids))] *= self._penalty


class ForbiddenPhrases:
    """Forbids texts, however they may be cut into tokens; a text that begins with a letter or digit is forbidden only
    where a word begins.

    An object of this class is never changed, so that sentences may share it.
    """

    def __init__(self, phrases: Sequence[str], pieces: Pieces) -> None:
        """phrases: as `DecodingOptions.forbidden_phrases`, at least one."""
        self._texts = pieces.texts
        self._longest = max(map(len, phrases))
        always: list[Int64] = []
        where_words_begin: list[Int64] = []
        self._endings: dict[str, list[Int64]] = {}
        """Pieces that write the rest of a phrase, by the beginning of the phrase."""
        for phrase in dict.fromkeys(phrases):
            always.append(pieces.containing(phrase))
            (where_words_begin if phrase[0].isalnum() else always).append(pieces.beginning_with(phrase))
            for start in range(1, len(phrase)):
                if pieces.may_begin_with(phrase[start], len(phrase) - start):
                    ids = pieces.beginning_with(phrase[start:])
                    if len(ids):
                        self._endings.setdefault(phrase[:start], []).append(ids)
        self._always = pieces.union(always)
        """Pieces that complete a phrase whatever stands before them."""
        self._where_words_begin = pieces.union(where_words_begin)
        """Pieces that complete a phrase, unless they make a word longer."""
        self._lengths = sorted({len(beginning) for beginning in self._endings})

    def apply(self, scores: ByToken, output_ids: Sequence[int]) -> None:
        scores[self._always] = -np.inf
        # A piece has a character at least, and one more before the phrase says whether a word begins there.
        written = "".join(self._texts[id_] for id_ in output_ids[-self._longest - 1 :])
        if not written[-1:].isalnum():
            scores[self._where_words_begin] = -np.inf
        for length in self._lengths:
            if length > len(written):
                break
            beginning = written[-length:]
            if beginning in self._endings and begins_word(beginning, written[-length - 1 : -length]):
                for ids in self._endings[beginning]:
                    scores[ids] = -np.inf


@functools.lru_cache(_PHRASES_KEPT)
def _prepare(phrases: tuple[str, ...], pieces: Pieces) -> ForbiddenPhrases:
    """Prepare forbidden phrases once for all sentences of a request, and for following requests with the same
    phrases."""
    return ForbiddenPhrases(phrases, pieces)


def keep_only(scores: ByToken, ids: Sequence[int]) -> None:
    """Forbid all tokens but these, which keep their scores."""
    kept = scores[list(ids)]
    scores.fill(-np.inf)
    scores[list(ids)] = kept
