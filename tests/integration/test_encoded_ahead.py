"""Sentences that are encoded together, some of them before their turn, and the memory that this takes."""

import pytest

from server.errors import DeadlineExceeded
from tests.fakes import ENDLESS, EOS
from tests.integration.running_engine import Running, endless


def test_source_tokens_encoded_between_two_steps_are_bounded() -> None:
    made = Running(max_joining_tokens=6)
    made.submit(endless(1), endless(2), endless(3))
    made.turn(2)
    assert made.backend.batch_sizes == [2, 3]


def test_waiting_sentences_are_encoded_with_joiners_about_as_long_as_far_as_there_is_room() -> None:
    made = Running(max_rows=1, max_joining_tokens=12)
    made.submit(endless(1))
    made.turn()
    longer = [[2, 5, 6, 7, 8, EOS], [2, 5, 6, 8, EOS]]
    short = [[1, 5, EOS], [1, 6, EOS], [1, 7, EOS], [1, 8, EOS], [1, 9, EOS]]
    made.submit(short[0], longer[0], *short[1:], longer[1])
    made.run()
    made.assert_translated(endless(1), *short, *longer)
    # 3 tokens of the joiner leave room for three companions as long; the last one is a joiner by itself.
    assert made.backend.encoded == [[3], [3, 3, 3, 3], [6, 5], [3]]


def test_joiners_of_similar_length_are_encoded_together_and_others_by_themselves() -> None:
    made = Running(max_rows=4)
    long = [ENDLESS, *range(4, 14), EOS]
    made.submit([2, EOS], [1, 5, EOS], long, [3, 5, 6, EOS])
    made.run()
    made.assert_translated([2, EOS], [1, 5, EOS], long, [3, 5, 6, EOS])
    assert made.backend.encoded == [[12, 4], [3, 2]]


def test_a_sentence_that_was_encoded_ahead_may_be_cancelled_or_expire() -> None:
    made = Running(max_rows=1)
    made.submit(endless(1))
    ids = made.submit([2, 5, EOS], [2, 6, EOS], [2, 7, EOS])
    made.submit([2, 8, EOS], timeout=5)
    made.turn()
    assert made.backend.encoded == [[3, 3, 3, 3, 3]]
    made.engine.cancel([ids[1]])
    made.clock.now += 6
    made.run()
    made.assert_translated(endless(1), [2, 5, EOS], [2, 7, EOS])
    assert isinstance(made.outcomes.failed((2, 8, EOS)).error, DeadlineExceeded)
    assert made.outcomes.events((2, 6, EOS)) == []


LONG, AS_LONG = [2, 5, 6, 7, 8, EOS], [2, 5, 6, 7, 9, EOS]


def with_two_encoded_ahead(max_ahead_bytes: int, timeout: float = 1e9) -> tuple[Running, list[int]]:
    """Two sentences wait encoded, and two longer ones wait. Returns the ids of the encoded."""
    made = Running(max_rows=1, max_ahead_bytes=max_ahead_bytes)
    made.submit(endless(1))
    made.submit(LONG)
    ids = made.submit([2, 5, EOS], [2, 6, EOS], timeout=timeout)
    made.submit(AS_LONG)
    made.turn()
    assert made.backend.encoded == [[3, 3, 3]]
    return made, ids


def test_nobody_is_encoded_ahead_while_others_that_are_hold_the_memory_for_it() -> None:
    made, _ = with_two_encoded_ahead(max_ahead_bytes=1)
    made.run()
    made.assert_translated(endless(1), LONG, [2, 5, EOS], [2, 6, EOS], AS_LONG)
    assert made.backend.encoded[1:] == [[6], [6]]


def test_what_is_encoded_ahead_may_be_as_large_as_the_limit() -> None:
    made, _ = with_two_encoded_ahead(max_ahead_bytes=1_000)
    made.run()
    assert made.backend.encoded[1:] == [[6, 6]]


@pytest.mark.parametrize("num_cancelled", [0, 1, 2])
def test_cancelled_sentences_give_their_memory_back_with_the_last_of_their_run(num_cancelled: int) -> None:
    made, ids = with_two_encoded_ahead(max_ahead_bytes=1)
    made.engine.cancel(ids[:num_cancelled])
    made.run()
    assert made.backend.encoded[1:] == ([[6, 6]] if num_cancelled == 2 else [[6], [6]])


def test_sentences_that_join_give_their_memory_back() -> None:
    made, _ = with_two_encoded_ahead(max_ahead_bytes=1)
    late = [[2, 5, 6, 7, 8, 9, 10, 11, last, EOS] for last in (12, 13)]
    made.submit(*late)
    made.run()
    made.assert_translated([2, 5, EOS], [2, 6, EOS], *late)
    assert made.backend.encoded[1:] == [[6], [6], [10, 10]]


def test_expired_sentences_give_their_memory_back() -> None:
    made, _ = with_two_encoded_ahead(max_ahead_bytes=1, timeout=5)
    made.clock.now += 6
    made.run()
    assert isinstance(made.outcomes.failed((2, 5, EOS)).error, DeadlineExceeded)
    assert made.backend.encoded[1:] == [[6, 6]]
