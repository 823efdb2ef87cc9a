"""The running batch: sentences are encoded, join with rows of their own, and leave them; a step advances every row.

The batch knows which sentence has which rows. What a row writes next is its holder's business (`search/holder.py`):
there is a holder for every kind of decoding.
"""

from collections.abc import Sequence

from server.bundle.manifest import Manifest
from server.bundle.shortlist import Int64
from server.decoding.graphs.backend import Backend
from server.decoding.open_sentence import Encoded, OpenSentence
from server.decoding.rows import RunningRows
from server.decoding.search.greedy import GreedySentences
from server.decoding.search.holder import RowHolder, StepResult
from server.decoding.search.plain_beams import BeamSentences
from server.decoding.search.searched import SearchedSentences
from server.text.pieces import Pieces


class RunningBatch:
    """The sentences that have rows, and the holders of these."""

    def __init__(self, manifest: Manifest, backend: Backend, pieces: Pieces) -> None:
        self._backend = backend
        self._first_position = int(manifest.encodes_start)
        self._start = manifest.special_ids.start
        self._carriers = {pieces.texts.index(piece) for piece in manifest.span_pieces if piece in pieces.texts}
        rows = self._rows = RunningRows(backend)
        # Searches first: the others may change the log-probabilities in place.
        self._holders: tuple[RowHolder, ...] = (
            SearchedSentences(rows, manifest.special_ids, pieces),
            BeamSentences(rows, manifest),
            GreedySentences(rows, manifest.special_ids),
        )
        self._holder_of: dict[OpenSentence, RowHolder] = {}
        """Who advances each sentence, or will as soon as it writes."""
        self._starting: dict[OpenSentence, list[int]] = {}
        """Sentences that have rows and write nothing yet, and what each has to read before it does; never nothing
        between two steps."""
        self._beginning: set[OpenSentence] = set()
        """Sentences that write their first token in the next step."""

    @property
    def num_rows(self) -> int:
        """Rows that sentences have now."""
        return self._rows.num_taken

    def num_written(self, running: OpenSentence) -> int:
        """Tokens that each of a sentence's rows has written, its start included."""
        return self._rows.position(running)

    def encode(self, group: Sequence[OpenSentence]) -> None:
        """Encode sentences of similar length together. Each of them may join afterwards, at once or later."""
        encoded = self._backend.encode([opened.sentence.source_ids for opened in group])
        for index, opened in enumerate(group):
            opened.encoded = Encoded(encoded, index)

    def _shortlist(self, joining: OpenSentence) -> Int64 | None:
        """The tokens that the sentence may write; None for all."""
        sentence = joining.sentence
        if not sentence.options.use_shortlist:
            return None
        carriers = self._carriers.intersection(sentence.source_ids)
        return self._backend.shortlist(sentence.source_ids, [*sentence.options.demanded_ids, *carriers])

    def join(self, joining: OpenSentence) -> None:
        """Give an encoded sentence its rows: one, or, to a plain beam, all that it will have. If that raises, the
        sentence has not joined, and has no rows."""
        options = joining.sentence.options
        holder = next(holder for holder in self._holders if holder.takes(options))
        self._holder_of[joining] = holder
        try:
            for _ in range(holder.num_rows(options)):
                self._rows.take(joining)
            joining.rows.sort()
            joining.listed = self._shortlist(joining)
            first_id, *start_ids = (self._start, *options.start_ids)[self._first_position :]
            if start_ids:
                self._starting[joining] = start_ids
            else:
                self._begin(joining)
            self._rows.begin(joining, first_id, self._first_position)
        except Exception:
            self.leave(joining)
            raise

    def step(self) -> StepResult:
        """Write one token in every row; sentences that end or fail leave. An error that is raised is no single
        sentence's failure: the batch is not to be used any more."""
        for owner, source, target in self._rows.compact():
            if owner not in self._starting:
                self._holder_of[owner].move(owner, source, target)
        scores = self._backend.step(len(self._rows.owners))
        result = StepResult(self._beginning, [], [], [])
        self._beginning = set()
        for holder in self._holders:
            if holder.held:
                holder.advance(scores, result)
        if self._starting:
            self._advance_starting(result)
        self._rows.next_position()
        for finished, _ in result.finished:
            self.leave(finished)
        for failed, _ in result.failed:
            self.leave(failed)
        return result

    def _advance_starting(self, result: StepResult) -> None:
        """Let sentences read the next token of their start; those that have none left write in the next step. Until
        then no holder knows them, so that their start costs the loops over rows nothing."""
        for opened, start_ids in list(self._starting.items()):
            self._rows.previous_ids[opened.rows] = start_ids[0]
            if len(start_ids) > 1:
                self._starting[opened] = start_ids[1:]
                continue
            del self._starting[opened]
            opened.rows.sort()  # all hold the same
            try:
                self._begin(opened)
            except Exception as error:
                result.fail(opened, error)

    def _begin(self, opened: OpenSentence) -> None:
        """Let a sentence that has rows write in the next step."""
        self._holder_of[opened].join(opened)
        self._beginning.add(opened)

    def leave(self, leaving: OpenSentence) -> None:
        """Free the rows of a sentence that has ended, or that nobody waits for any more."""
        self._starting.pop(leaving, None)
        self._beginning.discard(leaving)
        self._holder_of.pop(leaving).leave(leaving)
        self._rows.free(leaving.rows)
