"""When a request is sent again: no server, no waiting, a clock of the test's own."""

import grpc
import pytest

from seq2serve.attempts import MAX_ATTEMPTS, Attempts
from seq2serve.errors import InvalidRequest, Overloaded, TranslationError, Unavailable
from tests.fakes import FakeClock


def attempts(seconds: float = 60.0, retries: bool = True, draw: float = 0.0) -> tuple[Attempts, FakeClock]:
    clock = FakeClock()
    return Attempts(clock.now + seconds, retries, clock, lambda: draw), clock


def overloaded(retry_after: float | None = 1.0) -> Overloaded:
    return Overloaded(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_after=retry_after)


UNAVAILABLE = Unavailable(grpc.StatusCode.UNAVAILABLE, "gone")


def is_repeated(attempts: Attempts, error: TranslationError, was_broken: bool = False) -> bool:
    try:
        attempts.delay_after(error, was_broken)
    except TranslationError:
        return False
    return True


@pytest.mark.parametrize(("draw", "delay"), [(0.0, 2.0), (0.5, 2.5), (1.0, 3.0)])
def test_an_overloaded_server_is_asked_again_when_it_says_and_up_to_half_as_long_after(
    draw: float, delay: float
) -> None:
    assert attempts(draw=draw)[0].delay_after(overloaded(2.0)) == delay


def test_a_server_that_does_not_say_when_is_not_asked_again() -> None:
    assert not is_repeated(attempts()[0], overloaded(None))


def test_nothing_is_waited_for_that_comes_after_the_deadline() -> None:
    for seconds, is_in_time in ((4.9, True), (3.0, False), (2.9, True)):
        one, clock = attempts(seconds=5.0)
        clock.now += 0.0 if seconds == 4.9 else 2.0
        assert is_repeated(one, overloaded(seconds)) is is_in_time
    assert one.seconds_left == pytest.approx(3.0)
    clock.now += 10.0
    assert one.seconds_left == 0.0


def test_an_end_of_patience_comes_after_a_few_attempts_and_begins_anew_with_every_answer() -> None:
    one, _ = attempts()
    assert [is_repeated(one, overloaded()) for _ in range(MAX_ATTEMPTS)] == [True] * (MAX_ATTEMPTS - 1) + [False]
    one.succeed()
    assert is_repeated(one, overloaded())


REPEATED = (grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code not in REPEATED])
def test_no_other_error_is_tried_again_whatever_the_server_says(code: grpc.StatusCode) -> None:
    assert not is_repeated(attempts()[0], TranslationError(code, "", retry_after=0.1))


def test_what_grpc_has_given_up_as_unavailable_is_sent_once_more() -> None:
    one, _ = attempts()
    assert [is_repeated(one, UNAVAILABLE) for _ in range(2)] == [True, False]
    one.succeed()
    assert is_repeated(one, UNAVAILABLE)


def test_a_busy_server_that_is_gone_then_is_asked_again_as_any_other() -> None:
    one, _ = attempts()
    errors = [overloaded(), overloaded(), UNAVAILABLE, overloaded(), UNAVAILABLE]
    assert [is_repeated(one, error) for error in errors] == [True, True, True, True, False]


def test_a_wrong_request_is_wrong_however_it_broke() -> None:
    wrong = InvalidRequest(grpc.StatusCode.INVALID_ARGUMENT, "wrong", retry_after=0.1)
    assert not is_repeated(attempts()[0], wrong, was_broken=True)


def test_a_stream_that_a_proxy_resets_is_broken_and_one_in_which_the_server_fails_is_not() -> None:
    reset = TranslationError(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")
    failed = TranslationError(grpc.StatusCode.INTERNAL, "see the log", request_id="a")
    assert is_repeated(attempts()[0], reset, was_broken=True)
    assert not is_repeated(attempts()[0], reset)
    assert not is_repeated(attempts()[0], failed, was_broken=True)


def test_what_broke_is_asked_for_again_soon_and_then_less_soon() -> None:
    one, _ = attempts()
    delays = [one.delay_after(UNAVAILABLE, was_broken=True) for _ in range(MAX_ATTEMPTS - 1)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0])


def test_a_server_that_stays_overloaded_is_asked_less_and_less_and_never_before_it_says() -> None:
    often, seldom = attempts()[0], attempts()[0]
    delays = [
        [one.delay_after(overloaded(seconds)) for _ in range(4)] for one, seconds in ((often, 1.0), (seldom, 5.0))
    ]
    assert delays == [[1.0, 2.0, 3.0, 3.0], [5.0] * 4]


def test_without_retries_there_are_none() -> None:
    one, _ = attempts(retries=False)
    assert not is_repeated(one, overloaded())
    assert not is_repeated(one, UNAVAILABLE, was_broken=True)
