"""Sentences that have a search of their own, whatever they ask for: rows follow the hypotheses that live on."""

import numpy as np

from server.bundle.manifest import SpecialIds
from server.decoding.open_sentence import OpenSentence
from server.decoding.rows import RunningRows
from server.decoding.scores import EVERY_TOKEN, Columns, StepScores
from server.decoding.search.base import Continuation, Search
from server.decoding.search.beam import BeamSearch
from server.decoding.search.forced import Forced
from server.decoding.search.holder import NonFiniteScores, StepResult, check_scores
from server.decoding.search.sampling import Sampling
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces


def open_search(
    options: DecodingOptions, special_ids: SpecialIds, pieces: Pieces, columns: Columns = EVERY_TOKEN
) -> Search:
    """Open the search that a sentence with these options needs."""
    if options.forced_ids is not None:
        return Forced(options, special_ids, columns)
    if options.num_samples:
        return Sampling(options, special_ids, pieces, columns)
    return BeamSearch(options, special_ids, pieces, columns)


class SearchedSentences:
    """The holder of sentences that have a search of their own. Each search is called by itself, so that what it raises
    fails its own sentence alone."""

    def __init__(self, rows: RunningRows, special_ids: SpecialIds, pieces: Pieces) -> None:
        self._rows = rows
        self._pieces = pieces
        self._special_ids = special_ids
        self.held: dict[OpenSentence, Search] = {}

    def takes(self, options: DecodingOptions) -> bool:
        return not options.is_plain_greedy and not options.is_plain_beam

    def num_rows(self, options: DecodingOptions) -> int:
        """One: it gets more as its hypotheses branch."""
        return 1

    def join(self, joining: OpenSentence) -> None:
        columns = Columns(joining.listed)
        self.held[joining] = open_search(joining.sentence.options, self._special_ids, self._pieces, columns)

    def leave(self, leaving: OpenSentence) -> None:
        self.held.pop(leaving, None)

    def move(self, owner: OpenSentence, source: int, target: int) -> None:
        """Nothing is to be done: a search knows its hypotheses by their order."""

    def advance(self, scores: StepScores, result: StepResult) -> None:
        copied: list[tuple[int, int]] = []
        surplus: list[int] = []
        for searched, search in self.held.items():
            try:
                continuations = self._continue(searched, search, scores)
                if not continuations:
                    result.finish(searched, search.ranked())
                    continue
                part = search.take_agreed() if searched.sentence.streams else None
                surplus += self._place(searched, continuations, copied)
            except Exception as error:
                result.fail(searched, error)
            else:
                result.write(searched, part)
        if copied:
            sources, targets = zip(*copied, strict=True)
            self._rows.copy(list(sources), list(targets))
        self._rows.free(surplus)

    def _continue(self, searched: OpenSentence, search: Search, scores: StepScores) -> list[Continuation]:
        """Show a search its log-probabilities, and its attention where it needs that. Returns how its hypotheses go
        on."""
        log_probs = search.columns.of_rows(scores.log_probs[searched.rows])
        check_scores(log_probs)
        attention = self._rows.attention(searched) if searched.sentence.options.needs_attention else None
        if attention is not None and not all(np.isfinite(part).all() for part in attention if part is not None):
            raise NonFiniteScores("attention that is none")
        return search.advance(log_probs, attention)

    def _place(
        self, searched: OpenSentence, continuations: list[Continuation], copied: list[tuple[int, int]]
    ) -> list[int]:
        """Give each continuation a row. The first continuation of a parent has its parent's row; the others have rows
        of hypotheses that do not live on, or new ones. Rows that have to be copied, and the rows to copy them to, are
        added to `copied`. Returns rows that are left over.

        Until every continuation has a row, the sentence keeps the rows that it had and the new ones, so that a failure
        loses none.
        """
        before = list(searched.rows)
        parents = {continuation.parent for continuation in continuations}
        spare = [row for index, row in enumerate(before) if index not in parents]
        spare += self._rows.branch(searched, max(len(continuations) - len(before), 0))
        placed = []
        for parent, _ in continuations:
            row = before[parent]
            if parent in parents:
                parents.remove(parent)
            else:
                row = spare.pop()
                copied.append((before[parent], row))
            placed.append(row)
        self._rows.previous_ids[placed] = [id_ for _, id_ in continuations]
        searched.rows = placed
        return spare
