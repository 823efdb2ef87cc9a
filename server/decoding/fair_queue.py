"""Whose sentence is next: shares for callers, and within a caller for its requests. Policy alone, like `scheduler.py`.

This is start-time fair queueing, on two levels. Every share has a virtual time at which its next sentence starts; the
earliest start is the next turn, and moves on by what its sentence costs, so that shares which have sentences waiting
are given as much as each other, however many those are and however long. A share that comes starts at the level's own
virtual time: it has no credit for the time before, and nobody's backlog is in front of it. That time moves on with
everything that is given, by the part of one among all active shares and the next that comes. Without that, an endless
stream of new callers, each at the same virtual time, would keep an old one waiting for ever.

Sentences that nobody waits for cost more (`Ticket.cost`), so that their shares are smaller.

Rows are taken before turns: a caller that holds more than an equal part of the rows is behind everybody who does not.
Otherwise a caller whose sentences are decoded for far longer than their sources say would come to hold them all. A
caller with wide sentences, of several rows each, may hold as many rows more as its widest sentence has beside the
first: the number of its rows goes up and down by as much with every sentence, so that it would be put behind, and get
less than its share, for rows that it holds for a moment only.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain
from typing import Generic, TypeVar

from server.decoding.scheduler import Ticket

_LAST = (float("inf"), 0, None)
"""An entry of `_Turns.order` that is behind all shares."""

_MANY_CALLERS = 64
"""Callers at rest that are remembered without a look at whether they have to be."""


@dataclass(slots=True, eq=False)
class _Share(ABC):
    """What a caller, or one of its requests, is given."""

    start: float = 0.0
    """Virtual time at which its next sentence starts."""
    number: int = 0
    """Decides between equal starts; the share that came last has the highest."""
    num_rows: int = 0
    """Rows that its running sentences may come to hold; counted for callers alone."""
    num_spare: int = 0
    """Rows that its widest sentence has had beside its first; counted for callers alone."""

    @abstractmethod
    def in_turn(self) -> Iterator[Ticket]:
        """Waiting tickets in the order of their turns."""


_Shared = TypeVar("_Shared", bound=_Share)


@dataclass(slots=True, eq=False)
class _Turns(Generic[_Shared]):
    """The shares of one level that have sentences waiting."""

    now: float = 0.0
    """The level's virtual time: where a share that comes starts."""
    order: list[tuple[float, int, _Shared]] = field(default_factory=list)
    """The shares, each with its start and number; the next turn first."""
    next_number: int = 0

    def enter(self, share: _Shared) -> None:
        """Let a share take turns, which has sentences waiting from now on."""
        share.start = max(share.start, self.now)
        self._insert(share)

    def leave(self, share: _Shared) -> None:
        """Take out a share that has no sentences waiting any more."""
        del self.order[bisect_left(self.order, (share.start, share.number, share))]

    def charge(self, share: _Shared, cost: int, num_active: int) -> None:
        """Charge a share for a sentence that has its rows. `num_active`: shares whose sentences wait or run."""
        self.now = max(self.now, share.start) + cost / (num_active + 1)
        if len(self.order) == 1:
            share.start += cost
            self.order[0] = (share.start, share.number, share)
        else:
            self.leave(share)
            share.start += cost
            self._insert(share)

    def _insert(self, share: _Shared) -> None:
        share.number = self.next_number
        self.next_number += 1
        insort(self.order, (share.start, share.number, share))


@dataclass(slots=True, eq=False)
class _Request(_Share):
    tickets: dict[int, Ticket] = field(default_factory=dict)
    """Waiting tickets, by id, in order of arrival; never empty."""

    def in_turn(self) -> Iterator[Ticket]:
        return iter(self.tickets.values())


@dataclass(slots=True, eq=False)
class _Caller(_Share):
    num_waiting: int = 0
    requests: dict[int, _Request] = field(default_factory=dict)
    """Requests that have sentences waiting, by number."""
    turns: _Turns[_Request] = field(default_factory=_Turns)

    @property
    def is_active(self) -> bool:
        return self.num_waiting > 0 or self.num_rows > 0

    def in_turn(self) -> Iterator[Ticket]:
        return _in_turn(self.turns, float("inf"))


_Seen = tuple[bool, float, int, int, Ticket, Iterator[Ticket]]
"""Whether a share holds more than its part, its start and number, the rows that count for that, its next ticket, and
the others."""


class FairQueue:
    """Tickets that wait, and what their callers have been given."""

    def __init__(self) -> None:
        self._callers: dict[str, _Caller] = {}
        """By name: callers whose sentences wait or run, and callers that rest. These are remembered at least until the
        virtual time has come to their start, so that nobody is forgiven what it was given by a short rest."""
        self._max_callers = _MANY_CALLERS
        """Number of callers at which those that rest are looked through."""
        self._num_active = 0
        """Callers whose sentences wait or run."""
        self._turns: _Turns[_Caller] = _Turns()

    def num_waiting(self, caller: str) -> int:
        """Sentences of a caller that wait."""
        return self._callers[caller].num_waiting if caller in self._callers else 0

    def in_turn(self, max_rows: int) -> Iterator[Ticket]:
        """Waiting tickets in the order in which they get rows if nobody comes or leaves meanwhile; to be read as far as
        is wanted, before the queue changes. `max_rows`: of the running batch."""
        return _in_turn(self._turns, max_rows / max(self._num_active, 1))

    def add(self, ticket: Ticket) -> None:
        """Queue the ticket of a sentence, which waits from now on."""
        caller = self._callers.get(ticket.caller)
        if caller is None:
            self._forget_rested()
            caller = self._callers[ticket.caller] = _Caller()
        self._num_active += not caller.is_active
        if not caller.num_waiting:
            self._turns.enter(caller)
        request = caller.requests.get(ticket.request)
        if request is None:
            request = caller.requests[ticket.request] = _Request()
            caller.turns.enter(request)
        caller.num_spare = max(caller.num_spare, ticket.num_rows - 1)
        request.tickets[ticket.id] = ticket
        caller.num_waiting += 1

    def remove(self, ticket: Ticket) -> None:
        """Take out a waiting sentence that is cancelled or has expired; it costs nothing."""
        caller = self._callers[ticket.caller]
        self._take_out(caller, ticket)
        self._num_active -= not caller.is_active

    def give_rows(self, ticket: Ticket) -> None:
        """Charge for a waiting sentence, which runs from now on."""
        caller = self._callers[ticket.caller]
        self._turns.charge(caller, ticket.cost, self._num_active)
        caller.turns.charge(caller.requests[ticket.request], ticket.cost, len(caller.requests))
        caller.num_rows += ticket.num_rows
        self._take_out(caller, ticket)

    def free_rows(self, ticket: Ticket) -> None:
        """Take back the rows of a running sentence, which has ended."""
        caller = self._callers[ticket.caller]
        caller.num_rows -= ticket.num_rows
        self._num_active -= not caller.is_active

    def _take_out(self, caller: _Caller, ticket: Ticket) -> None:
        request = caller.requests[ticket.request]
        del request.tickets[ticket.id]
        if not request.tickets:
            caller.turns.leave(request)
            del caller.requests[ticket.request]
        caller.num_waiting -= 1
        if not caller.num_waiting:
            self._turns.leave(caller)

    def _forget_rested(self) -> None:
        """Forget callers at rest that would start where a new one does, if they came again."""
        if len(self._callers) >= self._max_callers:
            remembered = [one for one in self._callers.items() if one[1].is_active or one[1].start > self._turns.now]
            self._callers = dict(remembered)
            self._max_callers = 2 * len(remembered) + _MANY_CALLERS


def _in_turn(turns: _Turns[_Shared], equal_rows: float) -> Iterator[Ticket]:
    """Tickets as the shares of a level take turns, in which those that hold more than `equal_rows` are behind all
    others. Shares are looked at only as far as tickets are read: there may be a thousand."""
    if len(turns.order) == 1:
        return turns.order[0][2].in_turn()
    return _merged(turns, equal_rows)


def _merged(turns: _Turns[_Shared], equal_rows: float) -> Iterator[Ticket]:
    next_number = turns.next_number
    seen: list[_Seen] = []
    """A heap of shares that were met and whose next turn is later."""
    for start, number, share in chain(turns.order, [_LAST]):
        while seen and seen[0] < (share is None, start, number):
            _, earlier, _, num_rows, ticket, tickets = heappop(seen)
            yield ticket
            following = next(tickets, None)
            if following is not None:
                heappush(seen, _after(ticket, earlier, next_number, num_rows, equal_rows, following, tickets))
            next_number += 1
        if share is None:
            return
        num_rows = share.num_rows - share.num_spare  # what counts against an equal part
        tickets = share.in_turn()
        ticket = next(tickets)
        if num_rows > equal_rows:
            heappush(seen, (True, start, number, num_rows, ticket, tickets))
            continue
        yield ticket  # whatever would be earlier has been taken from the heap
        following = next(tickets, None)
        if following is not None:
            heappush(seen, _after(ticket, start, next_number, num_rows, equal_rows, following, tickets))
        next_number += 1


def _after(
    ticket: Ticket,
    start: float,
    number: int,
    num_rows: int,
    equal_rows: float,
    following: Ticket,
    others: Iterator[Ticket],
) -> _Seen:
    """Where a share is once its sentence `ticket` has its rows, as `_Turns.charge` does it."""
    num_rows += ticket.num_rows
    return num_rows > equal_rows, start + ticket.cost, number, num_rows, following, others
