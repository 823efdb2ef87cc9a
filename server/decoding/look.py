"""What somebody sees who looks at the running batch between two steps. While nobody looks, it costs nothing."""

from collections.abc import Iterable
from itertools import islice

from server.decoding.open_sentence import OpenSentence
from server.messages.batch_state import SentenceState

MOST_LEFT = 64
"""Sentences that left between two looks and are told one by one: who looks draws no more of them in a fifth of a
second, and each costs a few microseconds."""

MOST_NEXT = 32
"""Waiting sentences that are told one by one."""


class Departures:
    """The sentences that have left the batch since somebody looked. They are noted until there are `MOST_LEFT`, then no
    more before the next look: once nobody looks any more, nothing is noted."""

    def __init__(self) -> None:
        self.are_noted = False
        """Whether `note` is to be called; not before the first look."""
        self._noted: list[SentenceState] = []

    def note(self, left: OpenSentence, num_written: int, now: float) -> None:
        self._noted.append(state_of(left, num_written, now))
        self.are_noted = len(self._noted) < MOST_LEFT

    def take(self) -> list[SentenceState]:
        """Those that are noted, which are forgotten here; further ones are noted from now on."""
        noted, self._noted = self._noted, []
        self.are_noted = True
        return noted


def state_of(opened: OpenSentence, num_written: int, left: float = 0.0) -> SentenceState:
    """`num_written`: tokens that its rows have written, as `RunningBatch.num_written` counts them; 0 while it waits.
    `left`: when it left the batch."""
    sentence, ticket = opened.sentence, opened.ticket
    return SentenceState(
        ticket.id,
        len(opened.rows),
        ticket.num_rows,
        ticket.num_source_tokens,
        max(num_written - len(sentence.options.start_ids), 0),
        ticket.is_bulk,
        opened.submitted,
        opened.joined,
        left,
    )


def next_of(in_turn: Iterable[OpenSentence]) -> list[SentenceState]:
    """The first of those that wait. `in_turn`: in the order of their turns; read no further than they are told."""
    return [state_of(opened, 0) for opened in islice(in_turn, MOST_NEXT)]
