"""Who joins the running batch and who leaves it: policy alone.

No tensor, no clock, no input or output is touched here: time is an argument, and the same arguments give the same
plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Ticket(NamedTuple):
    """What the policy needs to know of one sentence."""

    id: int
    num_source_tokens: int
    deadline: float
    """On the caller's clock; infinity where there is none."""
    num_rows: int = 1
    """That it may come to hold; they are kept free for it."""


@dataclass(frozen=True)
class Limits:
    max_rows: int
    """Rows of the running batch."""
    max_joining_tokens: int
    """Source tokens that are encoded between two steps, so that long joiners do not stall the running rows; one
    sentence may always join, however long it is."""


class Plan(NamedTuple):
    joining: list[int]
    """Waiting ids that get their rows now, in order of arrival."""
    expired: list[int]
    """Ids whose deadline has passed, waiting or running."""


def plan(now: float, waiting: Iterable[Ticket], running: Iterable[Ticket], limits: Limits) -> Plan:
    """First come, first served; nobody is overtaken, so nobody starves, however many rows it needs.

    `waiting` in order of arrival; it is read only as far as rows are free. A sentence that expired behind them is
    found when it gets there.
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
