"""A sentence inside the engine, from its submission to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from server.bundle.shortlist import Int64
from server.decoding.graphs.state import Array
from server.decoding.scheduler import Ticket
from server.messages.sentence import Sentence, Times


class Encoded(NamedTuple):
    """A sentence's place in what an encoder run gave."""

    state: Mapping[str, Array]
    """State tensors of all sentences of the run, by name: [batch, ...]."""
    number: int
    """Index of the sentence in the batch."""


@dataclass(slots=True, eq=False)
class OpenSentence:
    """A sentence inside the engine."""

    sentence: Sentence
    ticket: Ticket
    submitted: float
    """When the sentence was submitted, on the engine's clock."""
    rows: list[int] = field(default_factory=list)
    """The sentence's rows in the running batch, for a search in the order of its hypotheses; none while it waits."""
    listed: Int64 | None = None
    """The tokens that the sentence may write, in ascending order, once it has joined the batch; None for all."""
    encoded: Encoded | None = None
    """What the encoder gave, from the sentence's encoding until it joins the batch."""
    chosen: float = 0.0
    """When the sentence's turn to join came, on the engine's clock, as the times below."""
    encode_start: float = 0.0
    encode_end: float = 0.0
    joined: float = 0.0
    """When the sentence was given its rows."""

    def times(self, ended: float) -> Times:
        return Times(self.submitted, self.chosen, self.encode_start, self.encode_end, self.joined, ended)
