"""Plain beams: all of one size, without constraints, as arrays that a step advances together.

Each beam finds what it would find by itself (`beam.py`), whichever others are beside it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from server.bundle.manifest import Manifest, SpecialIds
from server.decoding.open_sentence import OpenSentence
from server.decoding.rows import RunningRows
from server.decoding.scores import StepScores
from server.decoding.search.base import agreed
from server.decoding.search.candidates import Candidates, Int64, find_candidates
from server.decoding.search.holder import NonFiniteScores, StepResult
from server.messages.hypothesis import Ending, Float32, Hypothesis, length_penalty
from server.messages.options import DecodingOptions

_MIN_SHARE = 0.75
"""Share of the batch's rows from which on they are looked through in place: copies of them would take longer."""


@dataclass(slots=True, eq=False)
class Beam:
    """The beam of one sentence: what is not in the arrays of `BeamArrays`."""

    options: DecodingOptions
    index: int
    """The place of the beam in the arrays."""
    finished: list[Hypothesis] = field(default_factory=list)
    has_ended: bool = False
    is_broken: bool = False
    """Whether a log-probability of its rows was none."""
    num_told: int = 0
    """Tokens that `take_agreed` has returned so far."""

    def ranked(self) -> list[Hypothesis]:
        """The finished hypotheses, the best first."""
        return sorted(self.finished, key=lambda hypothesis: -hypothesis.score)

    def finish(self, hypothesis: Hypothesis) -> None:
        """Take in a hypothesis that has an ending, and give it its score."""
        hypothesis.score = hypothesis.total / length_penalty(hypothesis.num_scored, self.options.length_penalty)
        self.finished.append(hypothesis)


class BeamSentences:
    """The holder of plain beams, of all sizes."""

    def __init__(self, rows: RunningRows, manifest: Manifest) -> None:
        self._rows = rows
        self._special_ids = manifest.special_ids
        self._max_output_tokens = manifest.max_output_tokens
        self.held: dict[OpenSentence, Beam] = {}
        self._by_size: dict[int, BeamArrays] = {}

    def takes(self, options: DecodingOptions) -> bool:
        return options.is_plain_beam

    def num_rows(self, options: DecodingOptions) -> int:
        """All that it will have."""
        return options.beam_size

    def join(self, joining: OpenSentence) -> None:
        self.held[joining] = self._arrays_of(joining).join(joining.sentence.options, joining.rows)

    def leave(self, leaving: OpenSentence) -> None:
        beam = self.held.pop(leaving, None)
        if beam:
            self._arrays_of(leaving).leave(beam)

    def move(self, owner: OpenSentence, source: int, target: int) -> None:
        self._arrays_of(owner).move(source, target)

    def _arrays_of(self, opened: OpenSentence) -> "BeamArrays":
        """The arrays of all beams of a sentence's size."""
        size = opened.sentence.options.beam_size
        if size not in self._by_size:
            max_beams = len(self._rows.previous_ids) // size
            self._by_size[size] = BeamArrays(size, max_beams, self._max_output_tokens, self._special_ids)
        return self._by_size[size]

    def advance(self, scores: StepScores, result: StepResult) -> None:
        rows = self._rows
        for beams in self._by_size.values():
            if not len(beams):
                continue
            advanced = beams.advance(scores)
            rows.previous_ids[advanced.rows] = advanced.ids
            if len(advanced.targets):
                rows.copy(advanced.sources, advanced.targets)
        for opened, beam in self.held.items():
            try:
                if beam.is_broken:
                    raise NonFiniteScores("a log-probability is none")
                if beam.has_ended:
                    result.finish(opened, beam.ranked())
                elif opened.sentence.streams:
                    result.write(opened, self._arrays_of(opened).take_agreed(beam))
            except Exception as error:
                result.fail(opened, error)


class Advanced(NamedTuple):
    """What a step makes of the rows of some beams."""

    rows: Int64
    """[beams, size], the rows of the hypotheses that live on."""
    ids: Int64
    """[beams, size], what they have written."""
    sources: Int64
    """[copies], rows whose hypotheses live on in other rows as well."""
    targets: Int64
    """[copies], the other rows."""


class BeamArrays:
    """All beams of one size. The first dimension of every array is the beams, the second their hypotheses, the best
    first.

    A hypothesis that is not there has a total of minus infinity: when a beam begins, all hypotheses but one.
    """

    def __init__(self, size: int, max_beams: int, max_output_tokens: int, special_ids: SpecialIds) -> None:
        self._size = size
        self._special_ids = special_ids
        self._beams: list[Beam] = []
        self._rows = np.zeros((max_beams, size), np.int64)
        self._totals = np.zeros((max_beams, size))
        self._output_ids = np.zeros((max_beams, size, max_output_tokens), np.int32)
        self._token_log_probs = np.zeros((max_beams, size, max_output_tokens), np.float32)
        self._num_written = np.zeros(max_beams, np.int64)
        self._limits = np.zeros(max_beams, np.int64)
        self._arrays = (
            self._rows,
            self._totals,
            self._output_ids,
            self._token_log_probs,
            self._num_written,
            self._limits,
        )

    def __len__(self) -> int:
        return len(self._beams)

    def join(self, options: DecodingOptions, rows: list[int]) -> Beam:
        """Begin a beam, in as many rows as it has hypotheses; each row is at the start of the sentence."""
        beam = Beam(options, len(self._beams))
        self._beams.append(beam)
        self._rows[beam.index] = rows
        self._totals[beam.index] = -np.inf
        self._totals[beam.index, 0] = 0.0
        self._num_written[beam.index] = 0
        self._limits[beam.index] = options.max_output_tokens
        return beam

    def leave(self, beam: Beam) -> None:
        """Take out a beam; the last one takes its place in the arrays."""
        last = self._beams.pop()
        if last is not beam:
            for array in self._arrays:
                array[beam.index] = array[last.index]
            self._beams[beam.index] = last
            last.index = beam.index

    def move(self, source_row: int, target_row: int) -> None:
        """Note that what was in one row of the batch is now in another."""
        self._rows[self._rows == source_row] = target_row

    def take_agreed(self, beam: Beam) -> Hypothesis | None:
        """Tokens that have become certain since the last call, as `Search.take_agreed`."""
        live = [self._hypothesis(beam, rank) for rank in self._living(beam)]
        part = agreed([*live, *beam.finished], beam.num_told)
        beam.num_told += len(part.output_ids)
        return part if part.output_ids else None

    def advance(self, scores: StepScores) -> Advanced:
        """Take one step. scores: of all rows of the batch, changed in place. Beams that end have `has_ended` then.
        Beams with a log-probability that is none have `is_broken`, and what they write does not count."""
        num_beams, size = len(self._beams), self._size
        totals = self._totals[:num_beams]
        best_totals = totals[:, :1].copy()
        # Scores are compared beside the best total, see `beam.py`.
        found = self._candidates(scores, (totals - best_totals).astype(np.float32))
        ends = (found.ids == self._special_ids.eos).reshape(num_beams, 2 * size)
        self._finish(found, ends, best_totals)
        places = ends.argsort(axis=1, kind="stable")[:, :size] + np.arange(0, len(found.ids), 2 * size)[:, None]
        chosen = found.at(places)
        totals[:] = chosen.scores + best_totals
        self._write(chosen)
        self._cut()
        sources, targets = self._place(chosen.parents)
        return Advanced(self._rows[:num_beams], chosen.ids, sources, targets)

    def _candidates(self, scores: StepScores, ahead: Float32) -> Candidates:
        rows = self._rows[: len(self._beams)]
        # Where the batch has many others, too. What is done to the rows of a few does them no harm.
        if rows.size < _MIN_SHARE * len(scores.log_probs):
            scores, rows = scores.take(rows.reshape(-1)), np.arange(rows.size).reshape(rows.shape)
        scores.forbid(self._special_ids.forbidden)
        self._break(scores.log_probs, rows)
        self._forbid_empty(scores, rows)
        found = find_candidates(scores.log_probs, rows, ahead, 2 * self._size)
        return found._replace(ids=scores.ids(rows.reshape(-1)[found.parents], found.ids))

    def _break(self, log_probs: Float32, rows: Int64) -> None:
        """Take out beams that have a log-probability which is NaN or above 0: compared as integers, it could be
        anything."""
        if log_probs.max() <= 0.0:  # and not NaN
            return
        is_whole = (log_probs.max(axis=1) <= 0.0)[rows].all(axis=1)  # [beams]
        for index in np.flatnonzero(~is_whole).tolist():
            self._beams[index].is_broken = True
            log_probs[rows[index]] = -np.inf

    def _forbid_empty(self, scores: StepScores, rows: Int64) -> None:
        """Take the end of the sentence from beams that begin; finish those that may write nothing else."""
        for index in np.flatnonzero(self._num_written[: len(rows)] == 0).tolist():
            first_row = scores.log_probs[rows[index, 0]]
            eos = scores.eos_column(rows[index, 0], self._special_ids.eos)  # of all rows of a sentence
            may_end = first_row[eos] > -np.inf
            scores.log_probs[rows[index], eos] = -np.inf
            if may_end and first_row.max() == -np.inf:
                self._beams[index].finish(Hypothesis().cut(Ending.CONSTRAINTS))

    def _finish(self, found: Candidates, ends: np.ndarray, best_totals: np.ndarray) -> None:
        """Finish hypotheses whose end is among the best candidates of a beam, of which as many count as it has
        hypotheses."""
        places, size = np.flatnonzero(ends), self._size
        indices, ranks = np.divmod(places, 2 * size)
        ended = found.at(places)
        totals = ended.scores + best_totals.take(indices)
        columns = (column.tolist() for column in (indices, ranks, ended.parents, totals, ended.log_probs))
        for index, rank, parent, total, log_prob in zip(*columns, strict=True):
            if rank < size and total > -np.inf:
                beam = self._beams[index]
                hypothesis = self._hypothesis(beam, parent % size)
                beam.finish(hypothesis.ended_by_eos(self._special_ids.eos, log_prob, total, None))
                beam.has_ended = len(beam.finished) >= beam.options.num_enough

    def _write(self, chosen: Candidates) -> None:
        """Write what the parents have written, and one token more."""
        num_beams, size = chosen.ids.shape
        num_written = self._num_written[:num_beams]
        longest = int(np.maximum.reduce(num_written))
        hypotheses, parents, ends = np.arange(num_beams * size), chosen.parents.reshape(-1), num_written.repeat(size)
        for array, new in (self._output_ids, chosen.ids), (self._token_log_probs, chosen.log_probs):
            written = array.reshape(-1, array.shape[2])  # [hypotheses, max_output_tokens]
            written[: len(hypotheses), :longest] = written[parents, :longest]
            written[hypotheses, ends] = new.reshape(-1)
        num_written += 1

    def _cut(self) -> None:
        """End beams that are at their limit, or of which no hypothesis lives on."""
        num_beams = len(self._beams)
        is_over = (self._num_written[:num_beams] >= self._limits[:num_beams]) | (self._totals[:num_beams, 0] == -np.inf)
        for index in np.flatnonzero(is_over).tolist():
            beam = self._beams[index]
            if not beam.has_ended:
                for rank in self._living(beam):
                    beam.finish(self._hypothesis(beam, rank).cut(Ending.LIMIT))
                beam.has_ended = True

    def _place(self, parents: Int64) -> tuple[Int64, Int64]:
        """Give each continuation a row. The first continuation of a parent has its parent's row; the others have rows
        of hypotheses that do not live on. Returns rows that have to be copied, and the rows to copy them to."""
        before = self._rows[: len(parents)].reshape(-1)
        in_order = parents.reshape(-1)
        order = np.arange(len(in_order))
        first = np.full(len(in_order), -1)
        first[in_order[::-1]] = order[::-1]  # of those with one parent the first is written last
        branches = np.flatnonzero(first.take(in_order) != order)
        rows = before.take(in_order)
        sources = rows.take(branches)
        targets = rows[branches] = before[first < 0]
        self._rows[: len(parents)] = rows.reshape(parents.shape)
        # After its first step all rows of a beam hold the same.
        copied = (self._num_written > 1).take(branches // self._size)
        return sources[copied], targets[copied]

    def _living(self, beam: Beam) -> list[int]:
        """Ranks of the hypotheses of a beam that are there."""
        ranks: list[int] = np.flatnonzero(self._totals[beam.index] > -np.inf).tolist()
        return ranks

    def _hypothesis(self, beam: Beam, rank: int) -> Hypothesis:
        written = beam.index, rank, slice(self._num_written[beam.index])
        token_log_probs = self._token_log_probs[written].tolist()
        return Hypothesis(
            self._output_ids[written].tolist(),
            sum(token_log_probs),
            self._totals[beam.index, rank].item(),
            token_log_probs,
        )
