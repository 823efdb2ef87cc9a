"""The rows of the running batch: which sentence has which, and what they hold.

A row is one hypothesis. A sentence starts with one row, and gets more as its hypotheses branch; a plain beam has all of
its rows from the start. A row that is freed is taken by the next that joins or branches; before a step, the last rows
move into those that nobody took, so that the running ones are the first.
"""

from collections.abc import Iterable
from typing import NamedTuple

from server.decoding.graphs.backend import Backend
from server.decoding.graphs.state import Rows
from server.decoding.open_sentence import OpenSentence
from server.messages.hypothesis import Attention


class Moved(NamedTuple):
    """What was in row `source` of a sentence, and is in row `target` now."""

    owner: OpenSentence
    source: int
    target: int


class RunningRows:
    """The rows of the running batch, and whose they are."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._positions = backend.positions.data
        self.previous_ids = backend.previous_ids
        """int64 [max_rows]: what each row reads in the next step."""
        self.owners: list[OpenSentence | None] = []
        """The sentence that has each row of the batch; None for a row that was freed since the batch was made
        compact."""
        self._vacant: list[int] = []

    @property
    def num_taken(self) -> int:
        """Rows that sentences have."""
        return len(self.owners) - len(self._vacant)

    def attention(self, owner: OpenSentence) -> Attention:
        """Attention of a sentence's rows in the last step, by head where its options ask for that."""
        wants_heads = owner.sentence.options.alignment_heads
        return self._backend.attention(owner.rows, owner.ticket.num_source_tokens, by_head=wants_heads)

    def position(self, owner: OpenSentence) -> int:
        """The position at which a sentence's rows write next."""
        return int(self._positions[owner.rows[0]])

    def take(self, owner: OpenSentence) -> int:
        """Give a sentence one more row, which comes after its others."""
        if self._vacant:
            row = self._vacant.pop()
            self.owners[row] = owner
        else:
            row = len(self.owners)
            self.owners.append(owner)
        owner.rows.append(row)
        return row

    def begin(self, owner: OpenSentence, first_id: int, position: int) -> None:
        """Write what the encoder gave for a sentence into all of its rows, which are to read `first_id` at this
        position."""
        assert owner.encoded
        backend, index = self._backend, _index(owner.rows)
        backend.state.write(index, *owner.encoded, owner.ticket.num_source_tokens)
        owner.encoded = None
        backend.give_list(index, owner.listed, len(self.owners))
        backend.previous_ids[index] = first_id
        backend.positions[index] = position

    def branch(self, owner: OpenSentence, number: int) -> list[int]:
        """Give a sentence `number` new rows for other hypotheses, at the position of its first row. Returns the new
        rows."""
        source = owner.rows[0]
        rows = [self.take(owner) for _ in range(number)]
        if rows:
            self._backend.state.share_source(source, rows, owner.ticket.num_source_tokens)
            self._backend.positions[rows] = self._backend.positions[source]
        return rows

    def copy(self, sources: Rows, targets: Rows) -> None:
        """Copy what hypotheses have written so far from their rows to other rows of their sentences."""
        self._backend.state.copy(sources, targets, int(self._backend.positions[targets].max()) + 1)

    def next_position(self) -> None:
        """Note that every row has written a token."""
        for row in range(len(self.owners)):  # a loop for the reason that `advance_greedy` is one
            self._positions[row] += 1

    def free(self, rows: Iterable[int]) -> None:
        """Free rows that no hypothesis has any more."""
        for row in rows:
            self.owners[row] = None
            self._vacant.append(row)

    def compact(self) -> list[Moved]:
        """Move the last rows into rows that were freed, so that those in use are the first. Returns what was moved."""
        if not self._vacant:
            return []
        backend, owners = self._backend, self.owners
        moved = []
        for row in sorted(self._vacant):
            while owners and owners[-1] is None:
                owners.pop()
            last = len(owners) - 1
            if row > last:
                break
            owner = owners.pop()
            assert owner
            num_written = int(backend.positions[last])
            backend.state.move(last, row, owner.ticket.num_source_tokens, num_written)
            backend.previous_ids[row] = backend.previous_ids[last]
            backend.positions[row] = backend.positions[last]
            owners[row] = owner
            owner.rows[owner.rows.index(last)] = row
            moved.append(Moved(owner, last, row))
        self._vacant.clear()
        return moved


def _index(rows: list[int]) -> Rows:
    """An index of rows in ascending order: a number or a slice where one will do, as both are written far faster than a
    list."""
    if len(rows) == 1:
        return rows[0]
    return slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
