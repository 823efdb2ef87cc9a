"""What every caller gets of the rows, whatever is sent."""

from collections import Counter
from collections.abc import Iterator
from itertools import count

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.decoding.fair_queue import FairQueue
from server.decoding.scheduler import Ticket
from tests.decoding.queued_sentences import MAX_COST, MAX_ROWS, MAX_TOKENS, Decoding, ids, ticket

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
