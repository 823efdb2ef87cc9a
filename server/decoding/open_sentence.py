"""A sentence inside the engine, from its submission to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from server.decoding.graphs.state import Array
from server.decoding.scheduler import Ticket
from server.messages.sentence import Sentence


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
