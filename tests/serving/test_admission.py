"""How much the server takes on at once."""

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Overloaded, TooManyCalls
from server.keys.key_file import TRANSLATE, Key
from server.serving.access.caller import Caller, KeyHolder
from server.serving.models.backlog import Backlog
from server.serving.requests.admission import Admission
from tests.fakes import FakeClock


def fill(admission: Admission, caller: str) -> int:
    """As many calls of a caller as are admitted; returns how many."""
    number = 0
    try:
        while True:
            admission.enter(Caller(caller), 1)
            number += 1
    except Overloaded:
        return number


def test_a_caller_alone_has_most_calls_and_the_next_ones_find_some() -> None:
    admission = Admission(max_calls=100, max_bytes=10_000)
    assert [fill(admission, name) for name in "abc"] == [80, 16, 4]


def test_more_calls_than_the_limit_never_run() -> None:
    admission = Admission(max_calls=50, max_bytes=10_000)
    assert sum(fill(admission, str(number)) for number in range(200)) == 50
    with pytest.raises(Overloaded, match=r"^50 calls are running, 1 more would exceed the limit of 50$"):
        admission.check(Caller("another"))


def test_callers_that_have_left_take_no_memory() -> None:
    admission = Admission(max_calls=10, max_bytes=100)
    before = pickle.dumps(admission)
    for number in range(100):
        admission.enter(Caller(str(number)), 7)
        admission.leave(Caller(str(number)), 7)
    assert pickle.dumps(admission) == before


def test_bytes_are_bounded_and_given_back() -> None:
    admission = Admission(max_calls=10, max_bytes=100)
    admission.enter(Caller("a"), 90)
    with pytest.raises(
        Overloaded, match="90 bytes of messages are being answered, 11 more would exceed the limit of 100"
    ):
        admission.enter(Caller("b"), 11)
    admission.leave(Caller("a"), 90)
    admission.enter(Caller("b"), 100)


def test_a_caller_s_messages_leave_bytes_to_others_and_a_single_one_may_be_of_any_size() -> None:
    admission = Admission(max_calls=100, max_bytes=100)
    admission.enter(Caller("a"), 50)
    admission.enter(Caller("a"), 30)
    expected = "this caller has 80 bytes of messages being answered, and all together 80 of 100: with 1 more too few"
    with pytest.raises(Overloaded, match=f"^{expected}"):
        admission.enter(Caller("a"), 1)
    admission.enter(Caller("b"), 20)


@given(st.integers(10, 200), st.lists(st.integers(1, 20), min_size=200, max_size=200))
def test_a_caller_of_many_messages_leaves_a_fifth_of_the_bytes(max_bytes: int, sizes: list[int]) -> None:
    admission, number = Admission(max_calls=1000, max_bytes=max_bytes), 0
    for size in sizes:
        with contextlib.suppress(Overloaded):
            admission.enter(Caller("a"), size)
            number += 1
    assert number <= 1 or max_bytes - admission.num_bytes >= max_bytes // 5


def test_a_key_has_no_more_calls_than_its_limit_and_what_is_refused_is_not_counted() -> None:
    admission = Admission(max_calls=10, max_bytes=100)
    key = KeyHolder(Key(name="web", sha256=b"", roles=frozenset([TRANSLATE]), max_calls=2))
    admission.enter(key, 1)
    with pytest.raises(Overloaded, match="1 bytes of messages are being answered, 100 more"):
        admission.enter(key, 100)
    admission.enter(key, 1)
    for refused in (lambda: admission.check(key), lambda: admission.enter(key, 1)):
        with pytest.raises(TooManyCalls, match=r"^key web has 2 calls running, which is its limit$"):
            refused()
    admission.leave(key, 1)
    admission.enter(key, 1)
    assert (key.usage.num_running, key.usage.num_calls) == (2, 3)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_what_leaves_makes_room_for_as_much(steps: list[tuple[str, bool]]) -> None:
    admission, running = Admission(max_calls=20, max_bytes=10_000), []
    for caller, enters in steps:
        if enters:
            with contextlib.suppress(Overloaded):  # as full as it may be
                admission.enter(Caller(caller), 7)
                running.append(caller)
        elif running:
            admission.leave(Caller(running.pop(0)), 7)
    for caller in running:
        admission.leave(Caller(caller), 7)
    assert fill(admission, "a") == 16


class Model:
    """A backlog that is worked off at a constant rate."""

    def __init__(self, max_delay_seconds: float) -> None:
        self.clock = FakeClock()
        self.max_delay_seconds = max_delay_seconds
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

    def wait(self) -> float:
        """Seconds that a request of no cost would have to wait, which are too many."""
        with pytest.raises(Overloaded) as refused:
            self.backlog.check("a", 0)
        retry_seconds = refused.value.retry_seconds
        assert retry_seconds
        return retry_seconds + self.max_delay_seconds


def test_nothing_is_refused_before_a_rate_is_known() -> None:
    model = Model(0.1)
    for _ in range(100):
        model.submit(1000)


def test_a_rate_is_known_after_a_second_of_work_and_idle_time_before_it_does_not_count() -> None:
    model = Model(0.4)
    model.submit(5_000)
    model.work(20, rate=1000)
    model.submit(20)
    for _ in range(55):
        model.work(20, rate=1000)
    assert model.wait() == pytest.approx(3.9, abs=0.1)


def test_a_server_that_was_stopped_at_its_first_work_refuses_nothing_for_it() -> None:
    model = Model(0.4)
    model.submit(5_000)
    model.clock.now += 60
    for _ in range(30):
        model.submit(20)
        model.work(20, rate=1000)
    for _ in range(50):
        model.work(20, rate=1000)
    assert model.wait() == pytest.approx(4.0, abs=0.1)


def test_sentences_that_end_in_one_step_are_not_as_many_as_the_time_between_two_of_them_says() -> None:
    model = Model(0.4)
    model.submit(5_000)
    for _ in range(20):
        model.clock.now += 0.1
        for _ in range(5):
            model.backlog.remove("a", 20, is_done=True)
    assert model.wait() == pytest.approx(3.0, abs=0.4)


def test_what_would_wait_too_long_is_refused_with_the_time_after_which_to_ask_again() -> None:
    model = Model(0.4).measured(rate=1000)  # a second's work is open
    with pytest.raises(Overloaded) as refused:
        model.submit(10)
    assert refused.value.retry_seconds == pytest.approx(0.56, abs=0.05)
    model.work(700, rate=1000)
    model.submit(10)


def test_whoever_is_refused_for_little_is_not_asked_to_come_back_at_once() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(549, rate=1000)
    with pytest.raises(Overloaded) as refused:
        model.submit(10)
    assert refused.value.retry_seconds == 0.05


def test_who_sends_much_at_once_waits_longer() -> None:
    model = Model(0.4).measured(rate=1000)
    model.submit(300)


def test_a_few_sentences_are_always_taken() -> None:
    model = Model(0.001).measured(rate=100)
    model.work(800, rate=100)
    for _ in range(5):
        model.submit(20)
    with pytest.raises(Overloaded):
        model.submit(1)


def test_a_model_that_idles_is_as_fast_as_it_was() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(1000, rate=1000)
    for _ in range(1000):  # two at a time, which says nothing of what it can do
        model.clock.now += 1
        model.submit(10)
        model.submit(10)
        model.work(10, rate=20)
        model.work(10, rate=20)
    for _ in range(39):
        model.submit(10)


def test_a_model_that_becomes_slower_is_known_to_be_after_some_ten_seconds() -> None:
    model = Model(0.4).measured(rate=1000)
    assert model.wait() == pytest.approx(1.0, abs=0.05)
    for _ in range(200):
        model.backlog.add("a", 5)
        model.work(5, rate=100)
    assert model.wait() == pytest.approx(2.1, abs=0.3)
    for _ in range(2000):
        model.backlog.add("a", 5)
        model.work(5, rate=100)
    assert model.wait() == pytest.approx(10, abs=1)


def test_sentences_that_were_cancelled_say_nothing_of_the_rate() -> None:
    model = Model(0.4).measured(rate=1000)
    model.backlog.add("a", 100_000)
    model.clock.now += 0.3
    model.backlog.remove("a", 100_000, is_done=False)
    with pytest.raises(Overloaded):
        model.submit(10)


def test_a_caller_is_not_refused_for_what_others_have_under_way() -> None:
    model = Model(0.4).measured(rate=1000)
    model.submit(10, "b")
    with pytest.raises(Overloaded):
        model.submit(10, "a")


def test_callers_that_have_left_have_no_share() -> None:
    model = Model(0.4).measured(rate=1000)
    for number in range(100):
        model.submit(10, str(number))
        model.backlog.remove(str(number), 10, is_done=False)
    model.submit(10, "b")
    model.submit(10, "b")


def test_many_callers_with_little_each_are_refused_for_what_they_have_together() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(1000, rate=1000)
    for number in range(100):
        model.submit(10, str(number))
    for number in range(100):
        with pytest.raises(Overloaded):
            model.submit(10, str(number))


def test_an_interactive_request_is_not_refused_for_its_caller_s_bulk_and_a_bulk_one_is() -> None:
    model = Model(0.4).measured(rate=1000)
    model.work(1000, rate=1000)
    model.backlog.add("a", 5_000, is_bulk=True)
    with pytest.raises(Overloaded):
        model.backlog.check("a", 10, is_bulk=True)
    for _ in range(35):
        model.submit(10)
    model.backlog.add("a", 50)
    with pytest.raises(Overloaded, match=r"wait for about 0\.45 s, 0\.44 s are the limit"):
        model.submit(10)
    model.backlog.remove("a", 5_000, is_done=False, is_bulk=True)
    model.submit(10)
