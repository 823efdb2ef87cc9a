"""Who joins the running batch and who leaves it: policy alone.

No tensor, no clock, no input or output is touched here: time is an argument, and the same arguments give the same
plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

BULK_COST = 8
"""Interactive sentences for each bulk one, where both wait."""


class Ticket(NamedTuple):
    """What the policy needs to know of one sentence."""

    id: int
    num_source_tokens: int
    deadline: float
    """On the clock of `now` in `plan`; infinity where there is none."""
    num_rows: int = 1
    """Rows that the sentence may come to hold; they are kept free for it."""
    caller: str = ""
    request: int = 0
    """Number of the caller's request that the sentence is of."""
    is_bulk: bool = False
    """Whether nobody waits for it, so that others are given more."""

    @property
    def cost(self) -> int:
        """What the sentence takes of its caller's share: its source tokens times its rows. A step computes all rows,
        and a translation has about as many steps as its source has tokens, so that a beam of eight takes what eight
        sentences do. One of a bulk request is charged `BULK_COST` times as much, so that its share is so much
        smaller."""
        return self.num_source_tokens * self.num_rows * (BULK_COST if self.is_bulk else 1)


@dataclass(frozen=True)
class Limits:
    max_rows: int
    """Rows of the running batch."""
    max_joining_tokens: int
    """Source tokens that are encoded between two steps, so that long joiners do not stall the running rows; one
    sentence may always join, however long it is."""
    max_ahead_bytes: int = 64_000_000
    """State that sentences hold which wait and are encoded: as soon as it is so much, no more sentences are encoded
    before their turn. At OPUS-MT's size (24 kB a token) it is the state of five encoder runs of 512 tokens."""


class Plan(NamedTuple):
    joining: list[int]
    """Waiting ids that get their rows now, in order of their turns."""
    expired: list[int]
    """Ids whose deadline has passed, waiting or running."""


def plan(now: float, waiting: Iterable[Ticket], running: Iterable[Ticket], limits: Limits) -> Plan:
    """The sentences whose turn it is join, as far as rows are free; nobody overtakes the next one, however many rows it
    needs: what is free is kept for it.

    `waiting` is in order of turns (see `fair_queue.py`), and read only as far as rows are free. A sentence that has
    expired and is further behind is found when its turn comes.
    """
    expired = []
    num_rows = 0
    for ticket in running:
        if ticket.deadline <= now:
            expired.append(ticket.id)
        else:
            num_rows += ticket.num_rows
    joining: list[int] = []
    num_tokens = 0
    for ticket in waiting:
        if ticket.deadline <= now:
            expired.append(ticket.id)
            continue
        num_tokens += ticket.num_source_tokens
        num_rows += ticket.num_rows
        if num_rows > limits.max_rows or (joining and num_tokens > limits.max_joining_tokens):
            break
        joining.append(ticket.id)
    return Plan(joining, expired)
