"""The rows of the running batch: which sentence has which, and how a step changes that.

A row is one hypothesis. A sentence starts with one row, and gets more as its hypotheses branch; a plain beam has all of
its rows from the start. A row that is freed is taken by the next that joins or branches; before a step, the last rows
move into those that nobody took, so that the running ones are the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from server.bundle.manifest import Manifest
from server.bundle.shortlist import Int64
from server.decoding.graphs.backend import Backend
from server.decoding.graphs.state import Array, Rows
from server.decoding.scheduler import Ticket
from server.decoding.search.base import Continuation, Search
from server.decoding.search.greedy import Greedy, advance_greedy
from server.decoding.search.opened import open_search
from server.decoding.search.plain_beams import Beam, Beams
from server.messages.hypothesis import Hypothesis
from server.messages.sentence import Finished, Sentence, Written
from server.text.pieces import Pieces


class Encoded(NamedTuple):
    """A sentence's place in what an encoder run gave."""

    state: Mapping[str, Array]
    """By name, [batch, ...]."""
    number: int


@dataclass(slots=True, eq=False)
class OpenSentence:
    """A sentence inside the engine."""

    sentence: Sentence
    ticket: Ticket
    submitted: float
    rows: list[int] = field(default_factory=list)
    """Of the running batch, of a search in the order of its hypotheses; none while it waits."""
    encoded: Encoded | None = None
    """From its encoding until it joins."""

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
    def __init__(self, manifest: Manifest, backend: Backend, pieces: Pieces) -> None:
        self._special_ids = manifest.special_ids
        self._max_output_tokens = manifest.max_output_tokens
        self._backend = backend
        self._pieces = pieces
        self._positions = backend.positions.data
        self._owners: list[OpenSentence | None] = []  # by row; None where it was freed
        self._vacant: list[int] = []
        self._greedy: dict[OpenSentence, Greedy] = {}
        self._streaming_greedy: dict[OpenSentence, Greedy] = {}
        """Those of them that are told of every token."""
        self._searched: dict[OpenSentence, Search] = {}
        self._beams: dict[OpenSentence, Beam] = {}
        self._beams_of_size: dict[int, Beams] = {}

    @property
    def num_rows(self) -> int:
        return len(self._owners) - len(self._vacant)

    def encode(self, group: Sequence[OpenSentence]) -> None:
        """Encode sentences of similar length together; they may join then, at once or later."""
        sources, lists = [opened.sentence.source_ids for opened in group], [self._list(opened) for opened in group]
        encoded = self._backend.encode(sources, lists, len(self._owners))
        for index, opened in enumerate(group):
            opened.encoded = Encoded(encoded, index)

    def join(self, joining: OpenSentence) -> None:
        """Give an encoded sentence its rows: one, or, to a plain beam, all that it will have."""
        backend, options = self._backend, joining.sentence.options
        assert joining.encoded
        if options.is_plain_greedy:
            rows = [self._take_row(joining)]
            greedy = self._greedy[joining] = Greedy(options, rows[0])
            if joining.sentence.streams:
                self._streaming_greedy[joining] = greedy
        elif options.is_plain_beam:
            rows = sorted([self._take_row(joining) for _ in range(options.beam_size)])
            self._beams[joining] = self._beams_like(joining).join(options, rows)
        else:
            rows = [self._take_row(joining)]
            self._searched[joining] = open_search(options, self._special_ids, self._pieces)
        joining.rows = rows
        index = _index(rows)
        backend.state.write(index, *joining.encoded, joining.ticket.num_source_tokens)
        joining.encoded = None
        backend.previous_ids[index] = self._special_ids.bos
        backend.positions[index] = 0

    def _list(self, joining: OpenSentence) -> Int64 | None:
        """What the sentence may write; None for everything."""
        sentence = joining.sentence
        if not sentence.options.use_shortlist:
            return None
        return self._backend.shortlist(sentence.source_ids, sentence.options.demanded_ids)

    def step(self) -> StepResult:
        """One token for every row; sentences that end leave."""
        self._compact()
        backend = self._backend
        backend.step(len(self._owners))
        result = StepResult([], [])
        # Searches first: the others may change the log-probabilities in place.
        surplus = self._step_searched(result)
        self._step_beams(result)
        self._step_greedy(result)
        for row in range(len(self._owners)):  # a loop for the reason that `advance_greedy` is one
            self._positions[row] += 1
        self._free(surplus)
        for finished, _ in result.finished:
            self.leave(finished)
        return result

    def leave(self, leaving: OpenSentence) -> None:
        self._greedy.pop(leaving, None)
        self._streaming_greedy.pop(leaving, None)
        self._searched.pop(leaving, None)
        beam = self._beams.pop(leaving, None)
        if beam:
            self._beams_like(leaving).leave(beam)
        self._free(leaving.rows)

    # Greedy.

    def _step_greedy(self, result: StepResult) -> None:
        if not self._greedy:
            return
        backend = self._backend
        log_probs = backend.log_probs[: len(self._owners)]
        for greedy in advance_greedy(self._greedy.values(), self._special_ids, log_probs, backend.previous_ids):
            ended = self._owners[greedy.row]
            assert ended
            result.finished.append((ended, Finished([greedy.finished()])))
        for opened, greedy in self._streaming_greedy.items():
            if not greedy.hypothesis.ending:
                result.written.append((opened, Written(Hypothesis(greedy.hypothesis.output_ids[-1:]))))

    # Plain beams.

    def _beams_like(self, opened: OpenSentence) -> Beams:
        """Those of its size."""
        size = opened.sentence.options.beam_size
        if size not in self._beams_of_size:
            max_beams = len(self._backend.previous_ids) // size
            self._beams_of_size[size] = Beams(size, max_beams, self._max_output_tokens, self._special_ids)
        return self._beams_of_size[size]

    def _step_beams(self, result: StepResult) -> None:
        backend = self._backend
        for beams in self._beams_of_size.values():
            if not len(beams):
                continue
            rows, ids, sources, targets = beams.advance(backend.log_probs[: len(self._owners)])
            backend.previous_ids[rows] = ids
            if len(targets):
                backend.state.copy(sources, targets, int(backend.positions[targets].max()) + 1)
        for opened, beam in self._beams.items():
            if beam.has_ended:
                result.finished.append((opened, Finished(beam.ranked())))
            elif opened.sentence.streams:
                part = self._beams_like(opened).take_agreed(beam)
                if part:
                    result.written.append((opened, Written(part)))

    # Other searches.

    def _step_searched(self, result: StepResult) -> list[int]:
        """Rows follow the hypotheses that live on; returns rows that are left."""
        sources: list[int] = []
        targets: list[int] = []
        surplus: list[int] = []
        for searched, search in self._searched.items():
            continuations = search.advance(*self._shown(searched))
            if not continuations:
                result.finished.append((searched, Finished(search.ranked())))
                continue
            if searched.sentence.streams:
                part = search.take_agreed()
                if part:
                    result.written.append((searched, Written(part)))
            surplus += self._place(searched, continuations, sources, targets)
        if targets:
            self._backend.state.copy(sources, targets, int(self._backend.positions[targets].max()) + 1)
        return surplus

    def _shown(self, searched: OpenSentence) -> tuple[np.ndarray, np.ndarray | None]:
        """What its search is shown: log-probabilities, and attention where it needs it."""
        backend, rows = self._backend, searched.rows
        needs_attention = searched.sentence.options.needs_attention
        return (
            backend.log_probs[rows],
            backend.attention(rows, searched.ticket.num_source_tokens) if needs_attention else None,
        )

    def _place(
        self, searched: OpenSentence, continuations: list[Continuation], sources: list[int], targets: list[int]
    ) -> list[int]:
        """Give each continuation a row: the first of a parent its parent's, the others those of hypotheses that do not
        live on, or new ones. What has to be copied is added to `sources` and `targets`; returns rows that are left."""
        before, backend = searched.rows, self._backend
        parents = {continuation.parent for continuation in continuations}
        spare = [row for index, row in enumerate(before) if index not in parents]
        num_new = max(len(continuations) - len(before), 0)
        spare += self._branch(searched, before[0], num_new)
        searched.rows = []
        for parent, _ in continuations:
            row = before[parent]
            if parent in parents:
                parents.remove(parent)
            else:
                row = spare.pop()
                sources.append(before[parent])
                targets.append(row)
            searched.rows.append(row)
        backend.previous_ids[searched.rows] = [id_ for _, id_ in continuations]
        return spare

    # Rows.

    def _branch(self, owner: OpenSentence, source_row: int, number: int) -> list[int]:
        """New rows for other hypotheses of a sentence, at the position of its row `source_row`."""
        rows = [self._take_row(owner) for _ in range(number)]
        if rows:
            self._backend.state.share_source(source_row, rows, owner.ticket.num_source_tokens)
            self._backend.positions[rows] = self._backend.positions[source_row]
        return rows

    def _take_row(self, owner: OpenSentence) -> int:
        if self._vacant:
            row = self._vacant.pop()
            self._owners[row] = owner
            return row
        self._owners.append(owner)
        return len(self._owners) - 1

    def _free(self, rows: Iterable[int]) -> None:
        """Rows that no hypothesis has any more."""
        for row in rows:
            self._owners[row] = None
            self._vacant.append(row)

    def _compact(self) -> None:
        """Rows that were freed are taken by the last ones."""
        backend = self._backend
        for row in sorted(self._vacant):
            while self._owners and self._owners[-1] is None:
                self._owners.pop()
            last = len(self._owners) - 1
            if row > last:
                break
            owner = self._owners.pop()
            assert owner
            num_written = int(backend.positions[last])
            backend.state.move(last, row, owner.ticket.num_source_tokens, num_written)
            backend.previous_ids[row] = backend.previous_ids[last]
            backend.positions[row] = backend.positions[last]
            self._owners[row] = owner
            owner.rows[owner.rows.index(last)] = row
            if owner in self._greedy:
                self._greedy[owner].row = row
            elif owner in self._beams:
                self._beams_like(owner).move(last, row)
        self._vacant.clear()


def _index(rows: list[int]) -> Rows:
    """Of rows in ascending order; a number or a slice, where one will do, is written far faster than a list."""
    if len(rows) == 1:
        return rows[0]
    return slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
