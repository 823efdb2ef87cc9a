"""The rows of the running batch: which sentence has which, and how a step changes that.

A row is one hypothesis. A sentence starts with one row, and gets more, behind all others, as its hypotheses branch.
Rows stay compact: when one is freed, the last one moves into its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from server.backend import Backend
from server.bundle import Manifest
from server.decoding.greedy import GreedyRows
from server.decoding.hypothesis import Ending, Hypothesis, length_penalty
from server.decoding.search import Continuation, Search
from server.decoding.searches import open_search
from server.scheduler import Ticket
from server.sentence import Finished, Sentence, Written
from server.shortlist import Int64
from server.state import Array


class Encoded(NamedTuple):
    """A sentence's place in what an encoder run gave."""

    state: Mapping[str, Array]
    """By name, [batch, ...]."""
    number: int


@dataclass(eq=False)
class OpenSentence:
    """A sentence inside the engine."""

    sentence: Sentence
    ticket: Ticket
    submitted: float
    rows: list[int] = field(default_factory=list)
    """Of the running batch, in the order of its hypotheses; none while it waits."""
    encoded: Encoded | None = None
    """From its encoding until it joins."""
    search: Search | None = None
    """None where the greedy rows decode it."""

    @property
    def may_wait_encoded(self) -> bool:
        """Not with a shortlist: its columns of the output layer are kept for running rows alone."""
        return not self.sentence.options.use_shortlist


class StepResult(NamedTuple):
    written: list[tuple[OpenSentence, Written]]
    """Of streaming sentences."""
    finished: list[tuple[OpenSentence, Finished]]
    """They have left."""


class RunningBatch:
    def __init__(self, manifest: Manifest, backend: Backend, max_rows: int) -> None:
        self._special_ids = manifest.special_ids
        self._backend = backend
        self._rows: list[OpenSentence] = []  # by row
        self._greedy = GreedyRows(manifest.special_ids, max_rows, manifest.max_output_tokens)
        self._searched: dict[OpenSentence, Search] = {}

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    def encode(self, group: Sequence[OpenSentence]) -> None:
        """Encode sentences of one length together; they may join then, at once or later."""
        sources, lists = [opened.sentence.source_ids for opened in group], [self._list(opened) for opened in group]
        encoded = self._backend.encode(sources, lists, self.num_rows)
        for index, opened in enumerate(group):
            opened.encoded = Encoded(encoded, index)

    def join(self, joining: OpenSentence) -> None:
        """Give an encoded sentence a row."""
        backend, options = self._backend, joining.sentence.options
        assert joining.encoded
        joining.search = open_search(options, self._special_ids)
        if joining.search:
            self._searched[joining] = joining.search
        row = self._add_row(joining)
        joining.rows = [row]
        backend.state.write(row, *joining.encoded, joining.ticket.num_source_tokens)
        joining.encoded = None
        backend.previous_ids[row] = self._special_ids.bos
        backend.positions[row] = 0
        self._greedy.start(row, 0 if joining.search else options.max_output_tokens)

    def _list(self, joining: OpenSentence) -> Int64 | None:
        """What the sentence may write; None for everything."""
        sentence = joining.sentence
        if not sentence.options.use_shortlist:
            return None
        return self._backend.shortlist(sentence.source_ids, sentence.options.demanded_ids)

    def step(self) -> StepResult:
        """One token for every row; sentences that end leave."""
        backend, num_rows = self._backend, self.num_rows
        backend.step(num_rows)
        # The searches first: the greedy rows change the log-probabilities in place.
        advanced = [(searched, search.advance(*self._shown(searched))) for searched, search in self._searched.items()]
        ended = self._greedy.advance(backend.log_probs, backend.previous_ids, backend.positions, num_rows)
        result = StepResult([], [(self._rows[row], self._greedy_result(row, cut)) for row, cut in ended])
        self._tell_greedy(result, {row for row, _ in ended})
        self._continue(advanced, result)
        for finished, _ in result.finished:
            self.leave(finished)
        return result

    def leave(self, leaving: OpenSentence) -> None:
        self._searched.pop(leaving, None)
        self._free(leaving.rows)

    def _shown(self, searched: OpenSentence) -> tuple[np.ndarray, np.ndarray | None]:
        """What its search is shown: log-probabilities, and attention where it needs it."""
        backend, rows = self._backend, searched.rows
        needs_attention = searched.sentence.options.needs_attention
        return (
            backend.log_probs[rows],
            backend.attention(rows, searched.ticket.num_source_tokens) if needs_attention else None,
        )

    def _tell_greedy(self, result: StepResult, ended: set[int]) -> None:
        ids = self._backend.previous_ids[: self.num_rows].tolist()
        for row, (open_sentence, id_) in enumerate(zip(self._rows, ids, strict=True)):
            if open_sentence.sentence.streams and not open_sentence.search and row not in ended:
                result.written.append((open_sentence, Written(Hypothesis([id_]))))

    def _greedy_result(self, row: int, reached_limit: bool) -> Finished:
        ending = Ending.LIMIT if reached_limit else Ending.EOS
        num_written = int(self._backend.positions[row]) - (not reached_limit)  # without EOS
        ids = self._greedy.output_ids[row, :num_written].tolist()
        log_prob = float(self._greedy.log_prob[row])
        hypothesis = Hypothesis(ids, log_prob, log_prob, ending=ending)
        alpha = self._rows[row].sentence.options.length_penalty
        hypothesis.score = log_prob / length_penalty(hypothesis.num_scored, alpha)
        return Finished([hypothesis])

    def _continue(self, advanced: Iterable[tuple[OpenSentence, list[Continuation]]], result: StepResult) -> None:
        """Rows follow the hypotheses that live on."""
        sources: list[int] = []
        targets: list[int] = []
        surplus: list[int] = []
        for searched, continuations in advanced:
            search = self._searched[searched]
            if not continuations:
                result.finished.append((searched, Finished(search.ranked())))
                continue
            if searched.sentence.streams:
                part = search.take_agreed()
                if part:
                    result.written.append((searched, Written(part)))
            surplus += self._place(searched, continuations, sources, targets)
        if targets:
            self._backend.state.copy(sources, targets, int(self._backend.positions[targets].max()))
        self._free(surplus)

    def _place(
        self, searched: OpenSentence, continuations: list[Continuation], sources: list[int], targets: list[int]
    ) -> list[int]:
        """Give each continuation a row: the first of a parent its parent's, the others those of hypotheses that do not
        live on, or new ones. What has to be copied is added to `sources` and `targets`; returns rows that are left."""
        before, backend = searched.rows, self._backend
        parents = {continuation.parent for continuation in continuations}
        spare = [row for index, row in enumerate(before) if index not in parents]
        searched.rows = []
        for parent, _ in continuations:
            row = before[parent]
            if parent in parents:
                parents.remove(parent)
            else:
                row = spare.pop() if spare else self._branch(searched, before[0])
                sources.append(before[parent])
                targets.append(row)
            searched.rows.append(row)
        backend.previous_ids[searched.rows] = [id_ for _, id_ in continuations]
        return spare

    def _branch(self, searched: OpenSentence, source_row: int) -> int:
        """A new row for another hypothesis of a sentence."""
        row = self._add_row(searched)
        self._backend.state.share_source(source_row, row, searched.ticket.num_source_tokens)
        self._backend.positions[row] = self._backend.positions[source_row]
        self._greedy.start(row, 0)
        return row

    def _add_row(self, owner: OpenSentence) -> int:
        self._rows.append(owner)
        return len(self._rows) - 1

    def _free(self, rows: Iterable[int]) -> None:
        """Rows that no hypothesis has any more; the last row moves into the place of each."""
        backend = self._backend
        for row in sorted(rows, reverse=True):  # so that no row that moves is one of them
            owner = self._rows.pop()
            last = len(self._rows)
            if last != row:
                num_written = int(backend.positions[last])
                backend.state.move(last, row, owner.ticket.num_source_tokens, num_written)
                backend.previous_ids[row] = backend.previous_ids[last]
                backend.positions[row] = backend.positions[last]
                self._greedy.move(last, row, num_written)
                self._rows[row] = owner
                owner.rows[owner.rows.index(last)] = row
