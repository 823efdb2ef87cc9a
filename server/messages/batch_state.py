"""What an engine tells of its running batch to whoever watches it: numbers alone, no texts, and not whose they are."""

from typing import NamedTuple


class SentenceState(NamedTuple):
    """A sentence as it waits, runs, or has just left. Times are in seconds on the engine's clock."""

    id: int
    """The engine has no other sentence with it."""
    num_rows: int
    """Rows that it has, or had last; 0 while it waits."""
    num_reserved_rows: int
    """Rows that are kept for it, those that it has among them."""
    num_source_tokens: int
    num_output_tokens: int
    """Tokens that each of its hypotheses has, the end counted."""
    is_bulk: bool
    submitted: float
    joined: float = 0.0
    """0 while it waits."""
    left: float = 0.0
    """0 while it waits or runs."""


class BatchState(NamedTuple):
    """An engine's batch between two steps."""

    now: float
    """On the engine's clock."""
    max_rows: int
    running: list[SentenceState]
    left: list[SentenceState]
    """Sentences that have left since the last look; of very many the first."""
    next: list[SentenceState]
    """The first of those that wait, in the order of their turns."""
    num_waiting: int
    num_joined: int
    """Since the engine began, as the numbers below."""
    num_left: int
    num_output_tokens: int
