"""Who may have places in a model's queue."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import QueueFull
from server.serving.engines.places import check_places


def has_places(num_submitted: int, num_own: int, num_others: int, max_waiting: int) -> bool:
    try:
        check_places(num_submitted, num_own, num_others, max_waiting)
    except QueueFull:
        return False
    return True


@given(st.integers(1, 2000), st.integers(0, 2000))
def test_a_caller_alone_may_fill_the_queue_at_once_or_bit_by_bit(max_waiting: int, num_own: int) -> None:
    num_left = max(max_waiting - num_own, 0)
    assert num_left == 0 or has_places(num_left, num_own, 0, max_waiting)
    assert not has_places(num_left + 1, num_own, 0, max_waiting)


@given(st.integers(1, 2000))
def test_beside_one_who_has_filled_the_queue_an_eighth_of_it_is_left(max_waiting: int) -> None:
    num_places = -(-max_waiting // 8)
    assert has_places(num_places, 0, max_waiting, max_waiting)
    assert not has_places(num_places + 1, 0, max_waiting, max_waiting)


def test_the_numbers_are_those_that_were_compared() -> None:
    expected = (
        "queue is full: 30 of the caller's sentences wait beside 80 of others, 1 more would exceed the limit of 30"
    )
    with pytest.raises(QueueFull, match=f"^{expected}$"):
        check_places(1, 30, 80, 100)
    with pytest.raises(QueueFull, match=r"wait beside 800 of others, 1 more would exceed the limit of 0$"):
        check_places(1, 0, 800, 100)


def test_bulk_leaves_an_eighth_of_the_caller_s_places_to_what_somebody_waits_for() -> None:
    check_places(35, 0, 0, 40, is_bulk=True)
    with pytest.raises(QueueFull, match=r"^queue is full: 35 sentences wait, 1 more would exceed the limit of 35$"):
        check_places(1, 35, 0, 40, is_bulk=True)
    check_places(5, 35, 0, 40)
    check_places(1, 0, 0, 1, is_bulk=True)
    assert not has_places(1, 40, 100, 40)


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12)), max_size=200))
def test_all_callers_together_are_bounded(max_waiting: int, submissions: list[tuple[int, int]]) -> None:
    waiting: Counter[int] = Counter()
    for caller, number in submissions:
        if has_places(number, waiting[caller], waiting.total() - waiting[caller], max_waiting):
            waiting[caller] += number
        assert waiting.total() <= max_waiting * 8 / 7 + 1


def test_greedy_callers_end_with_as_much_as_each_other() -> None:
    """One sentence is read at a time, of whom it was their turn, and each fills up what it may."""
    waiting = Counter({"first": 1000})
    for number in range(2000):
        for caller in ("first", "second", "third"):
            while has_places(1, waiting[caller], waiting.total() - waiting[caller], 1000):
                waiting[caller] += 1
        turn = ("first", "second", "third")[number % 3]
        waiting[turn] -= 1
    assert max(waiting.values()) - min(waiting.values()) <= 20
