"""Whose sentence is next, as the engine asks: the queue and the plan, with steps in place of a model."""

from collections import Counter
from itertools import count

from server.decoding.fair_queue import FairQueue
from tests.decoding.queued_sentences import MAX_ROWS, MAX_TOKENS, Decoding, callers, ids, ticket


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
