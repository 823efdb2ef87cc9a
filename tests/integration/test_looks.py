"""What an engine says of its batch to whoever looks at it, on a clock that the test moves."""

from dataclasses import replace

from server.decoding.look import MOST_LEFT, MOST_NEXT
from server.messages.sentence import Sentence
from tests.fakes import EOS, greedy
from tests.integration.running_engine import LIMIT, Running, endless


def test_a_look_shows_who_runs_who_waits_and_who_has_left() -> None:
    made = Running(max_rows=2)
    began = made.clock.now
    assert made.engine.look().left == []
    [short] = made.submit([2, 5, EOS])
    made.clock.now += 1.0
    first, second, third = made.submit(endless(1), endless(2), endless(3), caller="other")
    made.clock.now += 0.5
    made.turn()
    seen = made.engine.look()
    assert (seen.now, seen.max_rows, seen.num_waiting, seen.num_joined, seen.num_left) == (began + 1.5, 2, 2, 2, 0)
    assert [one.id for one in seen.running] == [short, first]
    assert [(one.num_rows, one.num_reserved_rows, one.num_output_tokens) for one in seen.running] == [(1, 1, 1)] * 2
    assert [(one.submitted, one.joined) for one in seen.running] == [(began, began + 1.5), (began + 1.0, began + 1.5)]
    assert [one.id for one in seen.next] == [second, third]
    assert [(one.num_rows, one.num_source_tokens, one.joined) for one in seen.next] == [(0, 3, 0.0)] * 2
    made.clock.now += 2.0
    made.turn(2)
    [left] = made.engine.look().left
    assert (left.id, left.num_rows, left.num_output_tokens, left.left) == (short, 1, 3, began + 3.5)
    assert made.engine.look().left == []


def test_sentences_that_are_cancelled_have_left_as_well() -> None:
    made = Running(max_rows=1)
    made.engine.look()
    running, waiting = made.submit(endless(1), endless(2))
    made.turn(4)
    made.engine.cancel([running, waiting])
    seen = made.engine.look()
    assert [(one.id, one.num_output_tokens) for one in seen.left] == [(running, 4)]
    assert (seen.running, seen.next, seen.num_waiting) == ([], [], 0)


def test_nothing_is_noted_before_somebody_looks_and_no_more_once_nobody_does() -> None:
    made = Running()
    made.submit([2, 5, EOS])
    made.run()
    assert made.engine.look().left == []
    made.submit(*([1, 5 + number, EOS] for number in range(MOST_LEFT + 1)))
    made.run()
    assert not made.engine._departures.are_noted
    seen = made.engine.look()
    assert len(seen.left) == MOST_LEFT
    assert seen.num_left == MOST_LEFT + 2
    made.submit([2, 5, EOS])
    made.run()
    assert len(made.engine.look().left) == 1


def test_of_many_that_wait_the_next_are_shown() -> None:
    made = Running(max_rows=1)
    ids = made.submit(*(endless(number) for number in range(MOST_NEXT + 10)))
    seen = made.engine.look()
    assert [one.id for one in seen.next] == ids[:MOST_NEXT]
    assert seen.num_waiting == MOST_NEXT + 10


def test_the_start_that_a_sentence_reads_is_no_part_of_its_translation() -> None:
    made = Running()
    options = replace(greedy(LIMIT), start_ids=(7, 8))
    made.engine.submit([Sentence(endless(1), options, made.outcomes.listener((1,)), 1e9)])
    written = []
    for _ in range(4):
        made.turn()
        [running] = made.engine.look().running
        written.append(running.num_output_tokens)
    assert written == [0, 0, 1, 2]
