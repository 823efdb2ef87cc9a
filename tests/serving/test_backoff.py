from server.serving.engines.keeper import Backoff, Timing

TIMING = Timing(first_delay=0.1, longest_delay=30.0, healthy_seconds=60.0)


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(TIMING)
    waits = [backoff.delay(served_seconds=0) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-2:] == [30.0, 30.0]


def test_after_a_healthy_minute_they_begin_anew_and_after_less_they_do_not() -> None:
    backoff = Backoff(TIMING)
    waits = [backoff.delay(served_seconds) for served_seconds in (5.0, 59.9, 60.0, 3.0)]
    assert waits == [0.1, 0.2, 0.1, 0.2]
