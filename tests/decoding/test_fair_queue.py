"""Whose sentence is next, as the engine asks: the queue and the plan, with steps in place of a model."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count

from hypothesis import example, given, settings
from hypothesis import strategies as st

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


def test_sentences_of_one_request_take_turns_in_order_of_arrival() -> None:
    queue = FairQueue()
    tickets = [ticket("a", length) for length in (9, 1, 30, 2)]
    for one in tickets:
        queue.add(one)
    assert ids(queue.in_turn(MAX_ROWS)) == ids(tickets)


def test_single_sentences_of_one_caller_take_turns_in_order_of_arrival() -> None:
    decoding = Decoding(max_rows=1)
    tickets = [ticket("a", length, request=number) for number, length in enumerate((9, 1, 30, 2, 5, 5, 8))]
    decoding.submit(*tickets[:4])
    decoding.turn()
    decoding.submit(*tickets[4:])
    decoding.run()
    assert ids(decoding.joined) == ids(tickets)


def test_who_comes_gets_the_next_row_however_much_another_has_queued() -> None:
    decoding = Decoding()
    decoding.submit(*(ticket("bulk", length) for length in range(1, 40) for _ in range(25)))
    decoding.turn()
    single = ticket("single", 40)
    decoding.submit(single)
    assert decoding.turn()[0] == single, "a row became free in the first step"


def test_callers_that_come_together_are_served_in_order_of_arrival() -> None:
    decoding = Decoding(max_rows=1)
    decoding.submit(ticket("bulk"), ticket("bulk"))
    decoding.turn()
    decoding.submit(*(ticket(name, length) for name, length in (("c", 9), ("a", 30), ("b", 1))))
    decoding.run()
    assert callers(decoding.joined) == ["bulk", "c", "a", "b", "bulk"]


def test_callers_take_turns_by_source_tokens_not_by_sentences() -> None:
    queue = FairQueue()
    for _ in range(3):
        queue.add(ticket("long", 30))
    for _ in range(9):
        queue.add(ticket("short", 10))
    turns = callers(queue.in_turn(1000))
    assert Counter(turns[:4]) == {"long": 1, "short": 3}
    assert Counter(turns[:8]) == {"long": 2, "short": 6}


def test_a_sentence_costs_its_tokens_in_each_of_its_rows() -> None:
    queue = FairQueue()
    for _ in range(2):
        queue.add(ticket("wide", 10, num_rows=4))
    for _ in range(8):
        queue.add(ticket("narrow", 10))
    assert callers(queue.in_turn(1000))[:5].count("narrow") == 4


def test_requests_of_a_caller_share_what_the_caller_gets() -> None:
    decoding = Decoding(max_rows=1)
    decoding.submit(*(ticket("a", request=1) for _ in range(50)), *(ticket("b") for _ in range(50)))
    for _ in range(12):
        decoding.turn()
    late = [ticket("a", request=2), ticket("a", request=2)]
    decoding.submit(*late)
    num_before = len(decoding.joined)
    decoding.run()
    assert late[0] in decoding.joined[num_before : num_before + 2]
    assert late[1] in decoding.joined[num_before + 2 : num_before + 6]
    assert callers(decoding.joined[:80]).count("b") == 40, "nobody gets more for having two requests"


def test_who_holds_more_than_an_equal_part_of_the_rows_is_behind_who_holds_less() -> None:
    """Whatever is said of tokens: few of these are decoded for very long."""
    decoding = Decoding(max_rows=4)
    decoding.slow = "slow"
    decoding.submit(*(ticket("slow", 2) for _ in range(200)), *(ticket("quick", 20) for _ in range(200)))
    num_held = []
    for _ in range(500):
        decoding.turn()
        num_held.append(callers(decoding.running.values()).count("slow"))
    assert max(num_held) == 3, "half of the rows, and the one that was taken then"
    assert callers(decoding.joined).count("quick") >= 500 // 20, "as many as one row takes"


def test_a_rest_gives_no_credit_and_is_no_way_out_of_what_was_given() -> None:
    decoding = Decoding(max_rows=1)
    decoding.submit(*(ticket("steady", 10) for _ in range(200)))
    rested = [ticket("rested", 40), ticket("rested", 10), ticket("rested", 10)]
    decoding.submit(rested[0])
    decoding.turns_until_joined(rested[0])
    decoding.submit(rested[1])
    num_before = len(decoding.joined)
    decoding.turns_until_joined(rested[1])
    assert len(decoding.joined) - num_before >= 3, "40 tokens were given, which others get first"
    for _ in range(1000):
        decoding.turn()
    decoding.submit(rested[2], ticket("rested", 10))
    num_before = len(decoding.joined)
    for _ in range(40):
        decoding.turn()
    assert sorted(callers(decoding.joined[num_before : num_before + 4])) == ["rested"] * 2 + ["steady"] * 2


def test_what_was_given_is_remembered_also_when_many_callers_have_been_there() -> None:
    decoding = Decoding(max_rows=1)
    decoding.submit(*(ticket("steady", 10) for _ in range(20)))
    long = ticket("rested", 40)
    decoding.submit(long)
    decoding.turns_until_joined(long)
    while long.id in decoding.running:
        decoding.turn()
    for number in range(200):
        gone = ticket(str(number))
        decoding.submit(gone)
        decoding.cancel(gone)
    again = ticket("rested", 10)
    decoding.submit(again)
    num_before = len(decoding.joined)
    decoding.turns_until_joined(again)
    assert len(decoding.joined) - num_before >= 3


def test_callers_that_have_gone_are_forgotten() -> None:
    queue = FairQueue()
    for number in range(1000):
        one = ticket(str(number))
        queue.add(one)
        queue.give_rows(one)
        queue.free_rows(one)
    assert len(queue._callers) < 200


def test_new_callers_without_end_keep_nobody_waiting_for_ever() -> None:
    decoding = Decoding(max_rows=2)
    decoding.submit(*(ticket("old", 10, num_rows=2) for _ in range(10)))
    names = (f"new {number}" for number in count())
    for _ in range(20):
        decoding.submit(ticket(next(names), 10))
    for _ in range(600):
        num_missing = 20 + decoding.queue.num_waiting("old") - len(decoding.waiting)
        decoding.submit(*(ticket(next(names), 10) for _ in range(num_missing)))
        decoding.turn()
    assert callers(decoding.joined).count("old") >= 3


lengths = st.integers(1, MAX_TOKENS)
widths = st.sampled_from([1, 1, 1, 2, 4, MAX_ROWS])
sentences = st.tuples(lengths, widths)


def endless_tickets(caller: str, kinds: list[tuple[int, int]], num_requests: int) -> Iterator[Ticket]:
    for number in count():
        length, num_rows = kinds[number % len(kinds)]
        yield ticket(caller, length, num_rows, number % num_requests)


class Backlog:
    """Callers that always have something waiting."""

    def __init__(self, decoding: Decoding, sources: dict[str, Iterator[Ticket]], num_waiting: int) -> None:
        self.decoding = decoding
        self.sources = sources
        self.num_waiting = num_waiting
        self.keep_up()

    def keep_up(self) -> None:
        for name, tickets in self.sources.items():
            while self.decoding.queue.num_waiting(name) < self.num_waiting:
                self.decoding.submit(next(tickets))

    def turn(self) -> None:
        self.decoding.turn()
        self.keep_up()


kinds = st.lists(sentences, min_size=1, max_size=4)


@settings(deadline=None, max_examples=40)
@given(kinds, kinds, st.integers(1, 5), st.integers(1, 5), st.sampled_from([MAX_ROWS, 16, 64]))
@example([(16, 1)], [(15, 1), (4, 8)], 1, 1, 16).via("a caller that holds more than half of the rows again and again")
def test_shares_of_two_callers_with_a_backlog_converge_whatever_they_send(
    some: list[tuple[int, int]], others: list[tuple[int, int]], num_some: int, num_others: int, max_rows: int
) -> None:
    decoding = Decoding(max_rows)
    sources = {"a": endless_tickets("a", some, num_some), "b": endless_tickets("b", others, num_others)}
    backlog = Backlog(decoding, sources, 40)
    given_to: Counter[str] = Counter()
    while sum(given_to.values()) < 20 * MAX_COST * max_rows / MAX_ROWS:
        num_before = len(decoding.joined)
        backlog.turn()
        for one in decoding.joined[num_before:]:
            given_to[one.caller] += one.cost
    # As far apart as one may be behind with a sentence, and what the other's rows hold meanwhile.
    assert abs(given_to["a"] - given_to["b"]) <= 2 * MAX_COST * max_rows / MAX_ROWS


@settings(deadline=None, max_examples=40)
@given(kinds, kinds)
def test_shares_of_two_requests_of_a_caller_converge_beside_another_caller(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    decoding = Decoding()
    for number in range(100):
        for request, own in ((1, some), (2, others)):
            decoding.submit(ticket("a", *own[number % len(own)], request))
        decoding.submit(ticket("b", 20))
    num_given, given_to = Counter[int](), Counter[int]()
    while max(num_given.values(), default=0) < 100:
        for one in decoding.turn():
            if one.caller == "a":
                num_given[one.request] += 1
                given_to[one.request] += one.cost
    longest = [max(length * num_rows for length, num_rows in own) for own in (some, others)]
    joined_at_once = MAX_ROWS * MAX_TOKENS  # in the last turn, whose second half may have been of the other request
    assert abs(given_to[1] - given_to[2]) <= sum(longest) + joined_at_once


@settings(deadline=None)
@given(st.lists(kinds, min_size=1, max_size=5), sentences, st.integers(1, 300), st.integers(0, 60))
def test_a_first_sentence_waits_for_no_more_than_one_turn_of_each_other_caller_however_much_those_have_queued(
    others: list[list[tuple[int, int]]], own: tuple[int, int], num_queued: int, num_turns: int
) -> None:
    decoding = Decoding()
    sources = {str(index): endless_tickets(str(index), some, 3) for index, some in enumerate(others)}
    backlog = Backlog(decoding, sources, num_queued)
    for _ in range(num_turns):
        backlog.turn()
    first = ticket("new", *own)
    decoding.submit(first)
    num_before = len(decoding.joined)
    while first.id in decoding.waiting:
        backlog.turn()
    overtaken_by = decoding.joined[num_before : decoding.joined.index(first)]
    assert sum(one.cost for one in overtaken_by) <= 2 * len(others) * MAX_COST


arrivals = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), sentences, st.integers(0, 2), st.booleans()), max_size=60
)
"""Callers, requests, sentences, turns that pass after each has come, and whether it is cancelled then."""


@settings(deadline=None)
@given(arrivals, st.integers(1, 100))
def test_everybody_gets_rows_once_and_a_request_in_order_whatever_comes_and_goes(
    script: list[tuple[int, int, tuple[int, int], int, bool]], max_joining_tokens: int
) -> None:
    decoding = Decoding(max_joining_tokens=max_joining_tokens)
    submitted: list[Ticket] = []
    cancelled: set[int] = set()
    for caller, request, (length, num_rows), num_turns, is_cancelled in script:
        one = ticket(str(caller), length, num_rows, request)
        submitted.append(one)
        decoding.submit(one)
        for _ in range(num_turns):
            decoding.turn()
        if is_cancelled:
            cancelled.add(one.id)
            decoding.cancel(one)
    decoding.run()
    joined = ids(decoding.joined)
    assert len(set(joined)) == len(joined)
    assert set(ids(submitted)) - cancelled <= set(joined)
    for key in {(one.caller, one.request) for one in submitted}:
        of_one = [one.id for one in decoding.joined if (one.caller, one.request) == key]
        assert of_one == sorted(of_one)
    assert all(decoding.queue.num_waiting(one.caller) == 0 for one in submitted)


@given(arrivals)
def test_the_order_that_is_foretold_is_the_order_that_is_kept(
    script: list[tuple[int, int, tuple[int, int], int, bool]],
) -> None:
    """As companions are chosen by it. Twice the same, and read only."""
    queues = [FairQueue(), FairQueue()]
    running: list[Ticket] = []
    for caller, request, (length, num_rows), num_turns, is_over in script:
        one = ticket(str(caller), length, num_rows, request)
        for queue in queues:
            queue.add(one)
        for _ in range(num_turns):
            following = next(queues[0].in_turn(MAX_ROWS), None)
            if following:
                running.append(following)
                for queue in queues:
                    queue.give_rows(following)
        if is_over and running:
            ended = running.pop(0)
            for queue in queues:
                queue.free_rows(ended)
    foretold = ids(queues[0].in_turn(MAX_ROWS))
    assert foretold == ids(queues[0].in_turn(MAX_ROWS)) == ids(queues[1].in_turn(MAX_ROWS))
    kept = []
    while following := next(queues[0].in_turn(MAX_ROWS), None):
        kept.append(following.id)
        queues[0].give_rows(following)
    assert kept == foretold


def shares_of_bulk(bulk_caller: str, bulk_first: bool) -> float:
    """The part of the first hundred turns that a bulk request has beside an interactive one."""
    decoding = Decoding(max_rows=1)
    bulk = [ticket(bulk_caller, request=1, is_bulk=True) for _ in range(200)]
    interactive = [ticket("somebody", request=2) for _ in range(200)]
    decoding.submit(*(bulk + interactive if bulk_first else interactive + bulk))
    while len(decoding.joined) < 100:
        decoding.turn()
    return sum(one.is_bulk for one in decoding.joined) / 100


def test_a_bulk_request_is_given_a_part_of_what_an_interactive_one_is() -> None:
    for bulk_caller in ("somebody", "another"):
        for bulk_first in (True, False):
            share = shares_of_bulk(bulk_caller, bulk_first)
            assert 0.08 <= share <= 0.15, (bulk_caller, bulk_first)  # one of nine


def test_a_bulk_request_that_nobody_waits_beside_has_every_row() -> None:
    decoding = Decoding()
    decoding.submit(*(ticket("somebody", is_bulk=True) for _ in range(3 * MAX_ROWS)))
    assert len(decoding.turn()) == MAX_ROWS


def test_an_interactive_sentence_does_not_wait_behind_a_bulk_request_under_way() -> None:
    for caller in ("somebody", "another"):
        decoding = Decoding(max_rows=1)
        decoding.submit(*(ticket("somebody", MAX_TOKENS, request=1, is_bulk=True) for _ in range(100)))
        for _ in range(10 * MAX_TOKENS):
            decoding.turn()
        urgent = ticket(caller, 5, request=2)
        decoding.submit(urgent)
        assert decoding.turns_until_joined(urgent) <= MAX_TOKENS + 1  # the row is free when its sentence ends
