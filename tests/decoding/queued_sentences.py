"""The queue and the plan, with steps in place of a model."""

import math
from collections.abc import Iterable
from itertools import count

from server.decoding.fair_queue import FairQueue
from server.decoding.scheduler import Limits, Ticket, plan

MAX_ROWS = 8
MAX_TOKENS = 40
"""Of a sentence here."""
MAX_COST = MAX_TOKENS * MAX_ROWS

_ids = count()


def ticket(
    caller: str, num_source_tokens: int = 5, num_rows: int = 1, request: int = 0, is_bulk: bool = False
) -> Ticket:
    return Ticket(next(_ids), num_source_tokens, math.inf, num_rows, caller, request, is_bulk)


class Decoding:
    """Sentences that wait and run; each runs for as many steps as its source has tokens."""

    def __init__(self, max_rows: int = MAX_ROWS, max_joining_tokens: int = 1000) -> None:
        self.limits = Limits(max_rows, max_joining_tokens)
        self.queue = FairQueue()
        self.waiting: dict[int, Ticket] = {}
        self.running: dict[int, Ticket] = {}
        self.num_steps: dict[int, int] = {}
        """That running sentences still have to go."""
        self.joined: list[Ticket] = []
        self.slow = ""
        """A caller whose sentences run for a hundred times as many steps."""

    def submit(self, *tickets: Ticket) -> None:
        for one in tickets:
            self.waiting[one.id] = one
            self.queue.add(one)

    def cancel(self, one: Ticket) -> None:
        if self.waiting.pop(one.id, None):
            self.queue.remove(one)
        elif self.running.pop(one.id, None):
            self.queue.free_rows(one)

    def turn(self) -> list[Ticket]:
        """Who joins; then a step."""
        decision = plan(0.0, self.queue.in_turn(self.limits.max_rows), self.running.values(), self.limits)
        joining = [self.waiting.pop(id_) for id_ in decision.joining]
        for one in joining:
            self.queue.give_rows(one)
            self.running[one.id] = one
            self.num_steps[one.id] = one.num_source_tokens * (100 if one.caller == self.slow else 1)
        self.joined += joining
        self.check_that_rows_are_left_free_for_the_next_one_alone(joining)
        for one in list(self.running.values()):
            self.num_steps[one.id] -= 1
            if not self.num_steps[one.id]:
                self.cancel(one)
        return joining

    def check_that_rows_are_left_free_for_the_next_one_alone(self, joining: list[Ticket]) -> None:
        following = next(self.queue.in_turn(self.limits.max_rows), None)
        num_rows = sum(one.num_rows for one in self.running.values())
        assert num_rows <= self.limits.max_rows
        if following is None:
            assert not self.waiting
        elif num_rows + following.num_rows <= self.limits.max_rows:
            num_tokens = sum(one.num_source_tokens for one in joining)
            assert joining
            assert num_tokens + following.num_source_tokens > self.limits.max_joining_tokens

    def turns_until_joined(self, one: Ticket) -> int:
        for number in count(1):
            self.turn()
            if one.id not in self.waiting:
                return number
        raise AssertionError

    def run(self) -> None:
        while self.waiting or self.running:
            self.turn()


def callers(tickets: Iterable[Ticket]) -> list[str]:
    return [one.caller for one in tickets]


def ids(tickets: Iterable[Ticket]) -> list[int]:
    return [one.id for one in tickets]
