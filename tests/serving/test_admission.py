"""How much the server takes on at once."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Overloaded
from server.serving.models.backlog import Backlog
from server.serving.requests.admission import Admission
from tests.fakes import FakeClock


def fill(admission: Admission, caller: str) -> int:
    """As many calls of a caller as are admitted; returns how many."""
    number = 0
    try:
        while True:
            admission.enter(caller, 1)
            number += 1
    except Overloaded:
        return number


def test_a_caller_alone_has_most_calls_and_the_next_ones_find_some() -> None:
    admission = Admission(max_calls=100, max_bytes=10_000)
    assert [fill(admission, name) for name in "abc"] == [80, 16, 4]


def test_more_calls_than_the_limit_never_run() -> None:
    admission = Admission(max_calls=50, max_bytes=10_000)
    assert sum(fill(admission, str(number)) for number in range(200)) == 50


def test_bytes_are_bounded_and_given_back() -> None:
    admission = Admission(max_calls=10, max_bytes=100)
    admission.enter("a", 90)
    with pytest.raises(Overloaded, match="90 bytes are being answered, 11 more would exceed the limit of 100"):
        admission.enter("b", 11)
    admission.leave("a", 90)
    admission.enter("b", 100)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_what_leaves_makes_room_for_as_much(steps: list[tuple[str, bool]]) -> None:
    admission, running = Admission(max_calls=20, max_bytes=10_000), []
    for caller, enters in steps:
        if enters:
            with contextlib.suppress(Overloaded):  # as full as it may be
                admission.enter(caller, 7)
                running.append(caller)
        elif running:
            admission.leave(running.pop(0), 7)
    for caller in running:
        admission.leave(caller, 7)
    assert fill(admission, "a") == 16


class Model:
    """A backlog that is worked off at a constant rate."""

    def __init__(self, max_delay_seconds: float) -> None:
        self.clock = FakeClock()
        self.backlog = Backlog(max_delay_seconds, self.clock)

    def submit(self, cost: int, caller: str = "a") -> None:
        self.backlog.check(caller, cost)
        self.backlog.add(caller, cost)

    def work(self, cost: int, rate: float) -> None:
        self.clock.now += cost / rate
        self.backlog.remove("a", cost, is_done=True)

    def measured(self, rate: float) -> "Model":
        """After enough work for the rate to be known; 1,000 are open at the end."""
        self.backlog.add("a", 5_000)
        while self.backlog.open > 1_000:
            self.work(20, rate)
        return self


def test_nothing_is_refused_before_a_rate_is_known() -> None:
    model = Model(0.1)
    for _ in range(100):
        model.submit(1000)


def test_what_would_wait_too_long_is_refused_with_the_time_after_which_to_ask_again() -> None:
    model = Model(0.4).measured(rate=1000)  # a second's work is open
    with pytest.raises(Overloaded) as refused:
        model.submit(10)
    assert refused.value.retry_seconds == pytest.approx(0.56, abs=0.05)
    model.work(700, rate=1000)
    model.submit(10)


def test_who_sends_much_at_once_waits_longer() -> None:
    model = Model(0.4).measured(rate=1000)
    model.submit(300)


def test_a_few_sentences_are_always_taken() -> None:
    model = Model(0.001).measured(rate=100)
    model.work(800, rate=100)
    model.submit(20)


def test_a_model_that_idles_is_as_fast_as_it_was() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(1000, rate=1000)
    for _ in range(1000):  # one at a time, which says nothing of what it can do
        model.clock.now += 1
        model.submit(10)
        model.work(10, rate=50)
    for _ in range(39):
        model.submit(10)


def test_a_model_that_becomes_slower_is_known_to_be() -> None:
    model = Model(0.4).measured(rate=1000)
    for _ in range(2000):
        model.backlog.add("a", 20)
        model.work(20, rate=100)
    model.work(300, rate=100)
    with pytest.raises(Overloaded):
        model.submit(10)


def test_sentences_that_were_cancelled_say_nothing_of_the_rate() -> None:
    model = Model(0.4).measured(rate=1000)
    model.backlog.add("a", 100_000)
    model.backlog.remove("a", 100_000, is_done=False)
    with pytest.raises(Overloaded):
        model.submit(10)


def test_a_caller_is_not_refused_for_what_others_have_under_way() -> None:
    model = Model(0.4).measured(rate=1000)
    model.submit(10, "b")
    with pytest.raises(Overloaded):
        model.submit(10, "a")


def test_many_callers_with_little_each_are_refused_for_what_they_have_together() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(1000, rate=1000)
    for number in range(100):
        model.submit(10, str(number))
    for number in range(100):
        with pytest.raises(Overloaded):
            model.submit(10, str(number))
