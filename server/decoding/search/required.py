"""Terms that a hypothesis has to contain before it may end, after Post and Vilar 2018 (dynamic beam allocation).

Hypotheses are sorted into banks, by how many tokens of their terms they have written. The banks are given the places of
the beam in turn, so that hypotheses which have written more of them are not driven out by hypotheses which have written
fewer and are, for that, more probable.

Where the model attends to the source, it is also known where a term belongs: a hypothesis may begin it where it attends
most to what the term translates, has to where it attends to little else or would end, and then has to write all of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from server.decoding.scores import ByToken
from server.decoding.search.constraints import keep_only
from server.messages.hypothesis import Float32
from server.messages.options import RequiredTerm
from server.text.pieces import Pieces

FORCING_ATTENTION = 0.7
"""Attention on a term's source tokens with which the term has to begin. The words before it, an article say, attend to
them as well, but less."""

MISPLACED_PENALTY = 10.0
"""Nats that a hypothesis loses by a term that it could only append, so that a hypothesis which has it in its place
wins."""


class Progress(NamedTuple):
    """How far one hypothesis has come with the required terms."""

    unmet: tuple[int, ...]
    """Indices of the terms that are not yet written."""
    pending: tuple[int, ...]
    """The first tokens of an unmet term, if the hypothesis has just written them."""
    just_met: int | None = None
    """Index of the term that the hypothesis ends with, which the next token must not make a longer word."""


class RequiredTerms:
    """The terms that the hypotheses of one sentence have to contain."""

    def __init__(self, terms: Sequence[RequiredTerm], pieces: Pieces) -> None:
        """terms: as `DecodingOptions.required_terms`."""
        self.terms = terms
        self._continues_word = pieces.continues_word
        self._continuing_ids = np.flatnonzero(pieces.continues_word)
        self._lengths = [len(term.ids) for term in terms]
        self._beginning_with: dict[int, list[int]] = {}
        """Indices of terms by their first id."""
        for index, term in enumerate(terms):
            self._beginning_with.setdefault(term.ids[0], []).append(index)

    @property
    def start(self) -> Progress:
        """The progress of a hypothesis that has written nothing."""
        return Progress(tuple(range(len(self.terms))), ())

    def num_left(self, progress: Progress) -> int:
        """Number of tokens of terms that are still to be written."""
        return sum(map(self._lengths.__getitem__, progress.unmet)) - len(progress.pending)

    def next_ids(self, progress: Progress) -> list[int]:
        """Tokens that go on with a pending term, or begin one."""
        num_pending = len(progress.pending)
        terms = (self.terms[index].ids for index in progress.unmet)
        return list({ids[num_pending]: None for ids in terms if ids[:num_pending] == progress.pending})

    def advance(self, progress: Progress, id_: int) -> Progress:
        """The progress after one more token. A pending term that it does not go on with is given up; so is one that has
        become a part of a longer word, as a prefix that is forced may have it."""
        if progress.just_met is not None and self._continues_word[id_]:
            return Progress(tuple(sorted((*progress.unmet, progress.just_met))), ())
        for pending in ((*progress.pending, id_), (id_,)):
            begun = [
                index
                for index in self._beginning_with.get(pending[0], ())
                if index in progress.unmet and self.terms[index].ids[: len(pending)] == pending
            ]
            for index in begun:
                if self._lengths[index] == len(pending):
                    return Progress(tuple(other for other in progress.unmet if other != index), (), index)
            if begun:
                return Progress(progress.unmet, pending)
        return Progress(progress.unmet, ())

    def apply(
        self,
        scores: ByToken,
        log_probs: ByToken,
        would_end: bool,
        attention: Float32 | None,
        progress: Progress,
        num_places: int,
        eos: int,
    ) -> list[int]:
        """Keep a hypothesis from what would leave a term out. Returns the tokens that get a place in the beam for what
        they begin or go on with, however improbable they are.

        scores, log_probs: of its tokens; `would_end`: whether its end is the most probable; attention: float32
        [source]; `num_places`: tokens that it may still write. What its terms demand is allowed, whatever forbids it.
        """
        if progress.just_met is not None:
            scores[self._continuing_ids] = -np.inf
        if not progress.unmet:
            return []
        scores[eos] = -np.inf
        next_ids = self.next_ids(progress)
        scores[next_ids] = np.maximum(scores[next_ids], log_probs[next_ids])
        is_last_chance = num_places <= self.num_left(Progress(progress.unmet, ()))
        if is_last_chance:
            keep_only(scores, next_ids)
        elif attention is not None:
            return self._write_in_place(scores, would_end, attention, progress)
        return next_ids

    def _write_in_place(self, scores: ByToken, would_end: bool, attention: Float32, progress: Progress) -> list[int]:
        """Let a term be written where the model attends to the term's source, or where there will be no other place for
        it. Returns the tokens that `apply` is to return."""
        next_ids = self.next_ids(progress)
        if not progress.pending:
            term = self._attended(progress, attention)
            if would_end:
                scores[next_ids] -= MISPLACED_PENALTY
            elif term is None:
                return []
            else:
                next_ids = [term.ids[0]]
                if attention[term.source].sum() < FORCING_ATTENTION:
                    return next_ids
        keep_only(scores, next_ids)
        return next_ids

    def _attended(self, progress: Progress, attention: Float32) -> RequiredTerm | None:
        """The unmet term whose source is attended to most; None where most attention is elsewhere."""
        position = int(attention.argmax())
        terms = (self.terms[index] for index in progress.unmet)
        return next((term for term in terms if position in term.source), None)


def in_turns(banks: Sequence[int]) -> list[int]:
    """The indices of candidates in the order in which they get places. banks: the bank of each candidate, the best
    candidate first.

    The best of every bank comes first, beginning with the bank of the highest number; then the second best of every
    bank; and so on.
    """
    seen: dict[int, int] = {}
    turns = []
    for bank in banks:
        turns.append(seen.get(bank, 0))
        seen[bank] = turns[-1] + 1
    return sorted(range(len(banks)), key=lambda index: (turns[index], -banks[index]))
