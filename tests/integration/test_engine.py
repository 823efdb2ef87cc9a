"""The engine by itself: who joins, who leaves, and what each is told."""

import dataclasses

import pytest

from server.errors import DeadlineExceeded
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.sentence import Sentence, Written
from tests.fakes import EOS, greedy, translate
from tests.integration.running_engine import LIMIT, Running, endless


def sources(number: int, num_tokens: int = 9) -> list[list[int]]:
    """Different ones, of several lengths, that end by themselves after about `num_tokens`."""
    return [[num_tokens + index % 3, *range(4, 5 + index % 5), 10 + index, EOS] for index in range(number)]


def test_every_sentence_ends_once_with_its_own_translation() -> None:
    made = Running(max_rows=3)
    made.submit(*sources(20))
    made.submit(*[[*source[:-1], 5, EOS] for source in sources(20)])
    made.run()
    made.assert_translated(*sources(20))
    made.assert_translated(*[[*source[:-1], 5, EOS] for source in sources(20)])
    assert max(made.backend.batch_sizes) == 3


def test_a_sentence_joins_a_batch_that_is_under_way() -> None:
    made = Running()
    made.submit(endless(1))
    made.turn()
    made.submit(endless(2))
    made.turn(2)
    assert made.backend.batch_sizes == [1, 2, 2]
    made.run()
    made.assert_translated(endless(1), endless(2))


def test_a_row_that_ends_is_taken_by_the_next_in_the_queue() -> None:
    made = Running(max_rows=2)
    made.submit([1, EOS], endless(1), endless(2))
    made.turn(2)
    assert made.outcomes.ends((1, EOS)) == [translate([1, EOS], LIMIT)]
    made.turn()
    assert made.backend.batch_sizes == [2, 2, 2]
    assert made.metric("rows_joined_total") == 3


def test_the_limit_of_output_tokens_ends_what_would_not_end() -> None:
    made = Running()
    made.submit(endless(1), limit=7)
    made.run()
    event = made.outcomes.finished(tuple(endless(1)))
    assert event == translate(endless(1), 7)
    [hypothesis] = event.hypotheses
    assert hypothesis.ending is Ending.LIMIT
    assert len(hypothesis.output_ids) == 7


def test_a_streaming_sentence_is_told_of_every_step_and_a_plain_one_of_its_end() -> None:
    made = Running()
    made.submit([4, 8, EOS], streams=True)
    made.submit([4, 9, EOS])
    made.run()
    made.assert_translated([4, 9, EOS])
    expected = translate([4, 8, EOS], LIMIT)
    written = [Written(Hypothesis([id_])) for id_ in expected.hypotheses[0].output_ids]
    assert made.outcomes.events((4, 8, EOS)) == [*written, expected]
    assert len(made.outcomes.events((4, 9, EOS))) == 1


def test_another_s_sentence_has_the_first_free_row_however_many_of_one_caller_wait() -> None:
    made = Running(max_rows=1)
    made.submit(endless(1), caller="bulk")
    made.turn()
    made.submit(*(endless(number) for number in range(2, 10)), caller="bulk")
    made.submit([3, 5, EOS], caller="single")
    made.turn(LIMIT)
    assert len(made.outcomes.events((3, 5, EOS))) == 0
    made.turn(4)
    assert made.outcomes.ends((3, 5, EOS)) == [translate([3, 5, EOS], LIMIT)]
    made.run()


def test_rows_that_a_caller_had_before_count_no_more() -> None:
    made = Running(max_rows=1)
    for number in range(4, 9):
        made.submit([1, number, EOS], caller="before")
        made.submit([1, number + 10, EOS], caller="other")
    made.run()
    made.submit(endless(1), caller="other")
    made.turn()
    made.submit([1, 30, EOS], caller="before")
    made.submit([1, 31, EOS], caller="after")
    while not made.outcomes.events((1, 30, EOS)):
        made.turn()
    assert not made.outcomes.events((1, 31, EOS)), "it came later, and neither holds rows"
    made.run()


def test_a_waiting_sentence_that_is_cancelled_is_told_nothing() -> None:
    made = Running(max_rows=1)
    made.submit(endless(1))
    made.turn()
    cancelled = made.submit(endless(2))
    made.engine.cancel(cancelled)
    made.submit(endless(3))
    made.run()
    made.assert_translated(endless(1), endless(3))
    assert made.outcomes.events(tuple(endless(2))) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_cancelling_a_running_sentence_frees_its_row_and_leaves_its_neighbours_alone(place: int) -> None:
    made = Running(max_rows=3)
    ids = made.submit(endless(0), endless(1), endless(2))
    made.turn(4)
    made.submit([9, 9, EOS])
    made.engine.cancel([ids[place]])
    made.turn()
    assert made.metric("rows_left_total") == 1
    assert made.metric("rows_joined_total") == 4
    made.run()
    made.assert_translated(*[endless(name) for name in range(3) if name != place], [9, 9, EOS])
    assert made.outcomes.events(tuple(endless(place))) == []


def test_cancelling_what_has_ended_or_never_was_changes_nothing() -> None:
    made = Running()
    ids = made.submit([2, 8, EOS])
    made.run()
    made.assert_translated([2, 8, EOS])
    made.engine.cancel([*ids, 12345])
    made.submit([3, 8, EOS])
    made.run()
    made.assert_translated([2, 8, EOS], [3, 8, EOS])


def test_a_deadline_that_passes_in_the_queue_fails_the_sentence_there() -> None:
    made = Running(max_rows=1)
    made.submit(endless(1))
    made.turn()
    made.submit(endless(2), timeout=5)
    made.submit(endless(3), timeout=50)
    made.clock.now += 6
    made.run()
    failed = made.outcomes.failed(tuple(endless(2)))
    assert isinstance(failed.error, DeadlineExceeded)
    assert str(failed.error) == "deadline passed in the queue"
    made.assert_translated(endless(1), endless(3))


def test_a_deadline_that_passes_while_decoding_fails_the_sentence_and_leaves_its_neighbours_alone() -> None:
    made = Running()
    made.submit(endless(1), timeout=5)
    made.submit(endless(2), timeout=50)
    made.turn(3)
    made.clock.now += 6
    made.turn()
    failed = made.outcomes.failed(tuple(endless(1)))
    assert isinstance(failed.error, DeadlineExceeded)
    assert str(failed.error) == "deadline passed while decoding"
    assert made.backend.batch_sizes == [2, 2, 2, 1]
    made.run()
    made.assert_translated(endless(2))
    assert len(made.outcomes.events(tuple(endless(1)))) == 1


def test_a_deadline_holds_when_whoever_waited_behind_it_has_given_up() -> None:
    made = Running(max_rows=1)
    _, waiting = made.submit(endless(1), endless(2), timeout=5)
    made.turn()
    made.engine.cancel([waiting])
    made.turn(2)
    made.clock.now += 6
    made.run()
    failed = made.outcomes.failed(tuple(endless(1)))
    assert isinstance(failed.error, DeadlineExceeded)
    assert str(failed.error) == "deadline passed while decoding"


def test_reserved_rows_follow_who_runs() -> None:
    made = Running(max_rows=4)
    [first] = made.submit(endless(1))
    made.turn()
    assert made.metric("reserved_rows") == 1
    made.engine.cancel([first])
    options = dataclasses.replace(greedy(LIMIT), num_samples=3)
    made.engine.submit([Sentence(endless(2), options, made.outcomes.listener(tuple(endless(2))))])
    made.turn()
    assert made.metric("reserved_rows") == 3
    made.run()
    assert made.metric("reserved_rows") == made.metric("active_rows") == 0


def test_counts_of_rows_and_tokens_add_up() -> None:
    made = Running(max_rows=2)
    made.submit([2, 7, EOS], [3, 7, 7, EOS], endless(1), limit=5)
    made.run()
    made.assert_translated([2, 7, EOS], [3, 7, 7, EOS], endless(1), limit=5)
    assert made.metric("tokens_total", direction="source") == 3 + 4 + 3
    assert made.metric("tokens_total", direction="output") == 3 + 4 + 5
    assert made.metric("rows_joined_total") == made.metric("rows_left_total") == 3
    assert made.metric("active_rows") == made.metric("waiting") == 0
    assert made.metric("queue_seconds_count") == made.metric("time_to_first_token_seconds_count") == 3
    assert made.metric("batch_rows_sum") == 3 + 4 + 5
