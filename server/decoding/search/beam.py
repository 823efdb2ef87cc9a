"""Beam search, for one sentence, over the rows that it has; with a beam of one it is greedy decoding.

Beams without constraints need none of this: `plain_beams.py` has them all together.

`models/beam_search.py` is the same in PyTorch, plain and slow; its comment states the rules.
"""

from typing import NamedTuple

import numpy as np

from server.bundle.manifest import SpecialIds
from server.decoding.scores import EVERY_TOKEN, Columns
from server.decoding.search.base import Continuation, Search, best
from server.decoding.search.constraints import Constraints
from server.decoding.search.required import Progress, RequiredTerms, in_turns
from server.messages.hypothesis import Attention, Ending, Float32
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces


class Candidate(NamedTuple):
    """A continuation that may get a place in the beam."""

    total: float
    """What its hypothesis has with it, constraints included."""
    parent: int
    id: int
    log_prob: float
    """The model's own log-probability of the token."""
    progress: Progress | None = None
    """How far the hypothesis has come with the token, where terms are required."""


class BeamSearch(Search):
    def __init__(
        self, options: DecodingOptions, special_ids: SpecialIds, pieces: Pieces, columns: Columns = EVERY_TOKEN
    ) -> None:
        super().__init__(options, special_ids, columns)
        self._constraints = Constraints(options, special_ids, pieces)
        self._required = RequiredTerms(options.required_terms, pieces) if options.required_terms else None
        self._progress = [self._required.start if self._required else None]
        """How far each hypothesis that lives has come; None where no terms are required."""

    def advance(self, log_probs: Float32, attention: Attention | None) -> list[Continuation]:
        candidates, size = self._find_candidates(log_probs, attention), self.options.beam_size
        continuations: list[Continuation] = []
        live, progress = [], []
        for rank, (total, parent, id_, log_prob, next_progress) in enumerate(candidates):
            hypothesis = self.live[parent]
            has_place = rank < size if id_ == self.eos else len(continuations) < size
            if not has_place:
                continue
            attended = attention.of(parent) if attention is not None else None
            if id_ == self.eos:
                self.finish(hypothesis.ended_by_eos(id_, log_prob, total, attended))
            else:
                continuations.append(Continuation(parent, id_))
                live.append(hypothesis.extended(id_, log_prob, total, attended))
                progress.append(next_progress)
        if not continuations and not self.finished:
            self.cut_all(Ending.CONSTRAINTS)
        self.live, self._progress = live, progress
        if len(self.finished) >= self.options.num_enough:
            self.live = []
        return [] if self.cut_at_limit() else continuations

    def _find_candidates(self, log_probs: Float32, attention: Attention | None) -> list[Candidate]:
        """The candidates, in the order in which they get places. They are twice as many as the beam has places, so that
        enough are left when some of them end, and more where terms are required."""
        scores = log_probs.copy()
        promoted: list[int] = []
        for row, hypothesis in enumerate(self.live):
            self._constraints.apply(self.columns.by_token(scores[row]), hypothesis.output_ids)
            for column in self._promote(row, scores[row], log_probs[row], attention):
                promoted.append(row * scores.shape[1] + column)
        # Scores are compared beside the best, as its size would cost them precision; and a beam of one adds nothing, so
        # that it is exactly greedy.
        best_total = max(hypothesis.total for hypothesis in self.live)
        scores += np.array([[hypothesis.total - best_total] for hypothesis in self.live], np.float32)
        flat = scores.reshape(-1)
        indices = best(flat, 2 * self.options.beam_size)
        if promoted:
            indices = np.unique([*indices, *promoted])
            indices = indices[np.argsort(-flat[indices], kind="stable")]
        parents, columns = np.divmod(indices, scores.shape[1])
        totals, ids = flat[indices].astype(np.float64) + best_total, self.columns.ids(columns)
        own = log_probs[parents, columns]
        found = list(map(Candidate, totals.tolist(), parents.tolist(), ids.tolist(), own.tolist()))
        return self._allocate(found, self._required) if self._required else found

    def _promote(self, row: int, scores: Float32, log_probs: Float32, attention: Attention | None) -> list[int]:
        """Columns of one hypothesis that are candidates whatever their scores: what required terms begin or go on with,
        and, so that its bank does not run empty, its most probable one."""
        hypothesis, options, progress = self.live[row], self.options, self._progress[row]
        if not self._required or not progress or len(hypothesis.output_ids) < len(options.prefix):
            return []
        num_places = options.max_output_tokens - len(hypothesis.output_ids)
        attended = attention.mean[row] if attention is not None and options.guided else None
        by_token, columns = self.columns.by_token, self.columns
        would_end = int(log_probs.argmax()) == columns.of(self.eos)
        ids = self._required.apply(
            by_token(scores), by_token(log_probs), would_end, attended, progress, num_places, self.eos
        )
        found = [*map(int, map(columns.of, ids)), int(scores.argmax())]
        return [column for column in found if scores[column] > -np.inf]

    def _allocate(self, candidates: list[Candidate], required: RequiredTerms) -> list[Candidate]:
        """Candidates in the order in which their banks give them places."""
        progressed, banks = [], []
        for candidate in candidates:
            before = self._progress[candidate.parent]
            assert before
            after = required.advance(before, candidate.id)
            progressed.append(candidate._replace(progress=after))
            banks.append(-required.num_left(after))
        return [progressed[index] for index in in_turns(banks)]
