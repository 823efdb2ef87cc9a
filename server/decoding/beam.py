"""Beam search, for one sentence, over the rows that it has; with a beam of one it is greedy decoding.

`models/beam_search.py` is the same in PyTorch, plain and slow; its comment states the rules.
"""

from typing import NamedTuple

import numpy as np

from server.bundle import SpecialIds
from server.decoding.constraints import Constraints
from server.decoding.hypothesis import Ending, Float32
from server.decoding.options import DecodingOptions
from server.decoding.required import Progress, in_turns
from server.decoding.search import Continuation, Search, best


class Candidate(NamedTuple):
    total: float
    parent: int
    id: int


class BeamSearch(Search):
    def __init__(self, options: DecodingOptions, special_ids: SpecialIds) -> None:
        super().__init__(options, special_ids)
        self._constraints = Constraints(options, special_ids)
        self._required = options.required
        self._progress: list[Progress] = [options.required.start] if options.required else []

    def advance(self, log_probs: Float32, attention: Float32 | None) -> list[Continuation]:
        size = self.options.beam_size
        continuations: list[Continuation] = []
        live, totals = [], []
        for rank, (total, parent, id_) in enumerate(self._candidates(log_probs, attention)):
            hypothesis, log_prob = self.live[parent], float(log_probs[parent, id_])
            attended = attention[parent].copy() if attention is not None else None
            if id_ == self.eos:
                if rank < size:
                    self.finish(hypothesis.ended_by_eos(id_, log_prob, total, attended))
            elif len(continuations) < size:
                continuations.append(Continuation(parent, id_))
                live.append(hypothesis.extended(id_, log_prob, total, attended))
                totals.append(total)
        if not continuations and not self.finished:
            self.cut_all(Ending.CONSTRAINTS)
        if self._required:
            self._progress = [self._required.advance(self._progress[parent], id_) for parent, id_ in continuations]
        self.live = live
        if len(self.finished) >= self.options.patience * size:
            self.live = []
        return [] if self.cut_at_limit() else continuations

    def _candidates(self, log_probs: Float32, attention: Float32 | None) -> list[Candidate]:
        """The most probable continuations, in the order in which they get a place: twice as many as the beam has, so
        that those which end leave enough of the others, and more where terms are required."""
        scores = log_probs.copy()
        promoted: list[int] = []
        for row, hypothesis in enumerate(self.live):
            self._constraints.apply(scores[row], hypothesis.output_ids)
            for id_ in self._promoted(row, scores[row], log_probs[row], attention):
                promoted.append(row * scores.shape[1] + id_)
        # Beside the best total, whose size would cost precision: a beam of one adds nothing, and is exactly greedy.
        best_total = max(hypothesis.total for hypothesis in self.live)
        scores += np.array([[hypothesis.total - best_total] for hypothesis in self.live], np.float32)
        flat = scores.reshape(-1)
        indices = best(flat, 2 * self.options.beam_size)
        if promoted:
            indices = np.unique([*indices, *promoted])
            indices = indices[np.argsort(-flat[indices], kind="stable")]
        parents, ids = np.divmod(indices, scores.shape[1])
        totals = flat[indices].astype(np.float64) + best_total
        found = [Candidate(*values) for values in zip(totals.tolist(), parents.tolist(), ids.tolist(), strict=True)]
        return self._allocated(found) if self._required else found

    def _promoted(self, row: int, scores: Float32, log_probs: Float32, attention: Float32 | None) -> list[int]:
        """Tokens of one hypothesis that are candidates whatever their scores: what required terms begin or go on with,
        and, so that its bank does not run empty, its most probable one."""
        hypothesis, options = self.live[row], self.options
        if not self._required or len(hypothesis.output_ids) < len(options.prefix):
            return []
        num_places = options.max_output_tokens - len(hypothesis.output_ids)
        attended = attention[row] if attention is not None and options.guided else None
        ids = self._required.apply(scores, log_probs, attended, self._progress[row], num_places, self.eos)
        return [id_ for id_ in (*ids, int(scores.argmax())) if scores[id_] > -np.inf]

    def _allocated(self, candidates: list[Candidate]) -> list[Candidate]:
        assert self._required
        required = self._required
        left = [required.num_left(required.advance(self._progress[parent], id_)) for _, parent, id_ in candidates]
        return [candidates[index] for index in in_turns([-number for number in left])]
