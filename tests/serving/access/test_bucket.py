"""Source tokens a second: the average is kept, whatever is asked for and whenever."""

from hypothesis import given
from hypothesis import strategies as st

from server.serving.access.bucket import TokenBucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 50, clock)
    assert bucket.seconds_until(50) == 0
    bucket.take(50)
    assert bucket.seconds_until(1) == 0.1
    assert bucket.seconds_until(50) == 5
    clock.now += 0.1
    assert bucket.seconds_until(1) < 1e-9
    clock.now += 1000
    assert bucket.seconds_until(50) == 0
    bucket.take(50)
    assert bucket.seconds_until(1) == 0.1, "a long pause gives no more than a burst"


def test_more_than_the_burst_has_its_turn_and_is_waited_for_afterwards() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 50, clock)
    bucket.take(1)
    assert bucket.seconds_until(1000) == 0.1, "as soon as the bucket is full"
    clock.now += 0.1
    assert bucket.seconds_until(1000) < 1e-9
    bucket.take(1000)
    assert round(bucket.seconds_until(1), 6) == 95.1


def test_other_limits_leave_what_was_taken() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 50, clock)
    bucket.take(80)
    bucket.change(20, 100)
    assert bucket.seconds_until(20) == 0
    assert bucket.seconds_until(100) == 4


def test_a_lower_rate_is_waited_for_no_longer_than_its_burst_takes() -> None:
    clock = Clock()
    bucket = TokenBucket(1000, 10_000, clock)
    bucket.take(9_000)
    bucket.change(1, 10)
    assert bucket.seconds_until(10) == 10
    assert bucket.seconds_until(1) == 1


def test_the_same_limits_again_forgive_nothing() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 50, clock)
    bucket.take(500)
    bucket.change(10, 50)
    assert bucket.seconds_until(50) == 50


_amounts = st.integers(1, 300)
_pauses = st.floats(0, 20)


@given(st.integers(1, 100), st.integers(1, 100), st.lists(st.tuples(_pauses, _amounts), min_size=1, max_size=40))
def test_nobody_has_more_than_the_rate_and_a_burst_and_one_request(
    rate: int, burst: int, asked: list[tuple[float, int]]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    began, taken, largest = clock.now, 0, 0
    for pause, amount in asked:
        clock.now += pause
        if not bucket.seconds_until(amount):
            bucket.take(amount)
            taken += amount
            largest = max(largest, amount)
        assert taken <= burst + rate * (clock.now - began) + largest + 1e-6


@given(st.integers(1, 100), st.integers(1, 100), st.lists(_amounts, min_size=1, max_size=40))
def test_who_waits_as_long_as_told_is_served(rate: int, burst: int, asked: list[int]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    for amount in asked:
        clock.now += bucket.seconds_until(amount) + 1e-6
        assert bucket.seconds_until(amount) == 0
        bucket.take(amount)
