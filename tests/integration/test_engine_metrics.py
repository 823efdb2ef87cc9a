"""What an engine's series say, on a clock that the test moves."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from server.decoding.graphs.state import Array
from server.messages.sentence import Sentence
from tests.fakes import EOS, greedy
from tests.integration.running_engine import LIMIT, Running, endless


def test_rows_and_waits_are_counted_by_the_time_that_they_last() -> None:
    made = Running(max_rows=2)
    made.submit(endless(1), endless(2), endless(3))
    for seconds in (2.0, 0.5):  # in which all wait, and in which one does
        made.clock.now += seconds
        made.turn()
    assert made.metric("waiting_seconds_total") == pytest.approx(3 * 2.0 + 1 * 0.5)
    assert made.metric("row_seconds_total") == pytest.approx(2 * 0.5)


def test_a_wait_begins_when_a_sentence_was_sent_to_the_engine() -> None:
    made = Running()
    sent = made.clock.now - 0.75
    made.engine.submit([Sentence([2, 5, EOS], greedy(LIMIT), made.outcomes.listener((2,)), 1e9, submitted=sent)])
    made.clock.now += 0.5
    made.run()
    assert made.metric("waiting_seconds_total") == pytest.approx(1.25)
    assert made.metric("queue_seconds_sum") == pytest.approx(1.25)


def test_rows_are_held_from_the_first_step_on_and_not_while_a_source_is_encoded() -> None:
    made = Running(max_rows=2)
    made.submit([2, 5, EOS])
    encode = made.backend.encode

    def encode_slowly(sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        made.clock.now += 5.0
        return encode(sources)

    made.backend.encode = encode_slowly  # type: ignore[method-assign]
    made.run()
    assert made.metric("row_seconds_total") == made.metric("waiting_seconds_total") == 0


def test_time_in_which_there_is_nothing_counts_for_nothing() -> None:
    made = Running(max_rows=1)
    ids = made.submit(endless(1), endless(2))
    made.turn()
    made.clock.now += 1.0
    made.engine.cancel(ids)
    made.clock.now += 60.0
    made.submit([2, 5, EOS])
    made.run()
    assert made.metric("row_seconds_total") == pytest.approx(1.0)
    assert made.metric("waiting_seconds_total") == pytest.approx(1.0)


def test_a_wait_ends_when_a_sentence_is_chosen_and_a_first_token_comes_after_its_encoder_run() -> None:
    made = Running()
    encode = made.backend.encode

    def encode_slowly(sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        made.clock.now += 5.0
        return encode(sources)

    made.backend.encode = encode_slowly  # type: ignore[method-assign]
    made.submit([2, 5, EOS])
    made.clock.now += 0.25
    made.run()
    assert made.metric("queue_seconds_sum") == pytest.approx(0.25)
    assert made.metric("encode_seconds_sum") == pytest.approx(5.0)
    assert made.metric("time_to_first_token_seconds_sum") == pytest.approx(5.25)


def test_what_cancellation_may_have_saved_is_counted() -> None:
    made = Running(max_rows=1)
    [running] = made.submit(endless(1))
    [waiting] = made.submit(endless(2), limit=7)
    made.turn(3)
    made.engine.cancel([waiting])
    assert made.metric("unwritten_tokens_total") == 7
    made.engine.cancel([running, running])
    assert made.metric("unwritten_tokens_total") == 7 + LIMIT - 3
    assert made.metric("dropped_sentences_total", place="queue") == 1
    assert made.metric("dropped_sentences_total", place="batch") == 1


def test_a_sentence_whose_deadline_passes_is_dropped() -> None:
    made = Running()
    made.submit(endless(1), timeout=1.0)
    made.turn()
    made.clock.now += 2.0
    made.turn()
    assert made.metric("dropped_sentences_total", place="batch") == 1


def test_padding_of_an_encoder_run_is_counted() -> None:
    made = Running()
    made.submit([2, 5, EOS], [2, 5, 6, 7, EOS])
    made.run()
    assert made.metric("tokens_total", direction="source") == 8
    assert made.metric("padding_tokens_total") == 2


def test_peaks_between_two_scrapes_are_seen_once() -> None:
    made = Running(max_rows=2)
    made.submit(endless(1), endless(2), endless(3))
    made.turn()
    made.run()
    assert made.metric("active_rows") == made.metric("waiting") == 0

    def peaks() -> dict[str, float]:
        names = ("seq2serve_most_active_rows", "seq2serve_most_waiting")
        return {series.name: series.samples[0].value for series in made.engine.collect() if series.name in names}

    made.submit(endless(4), endless(5), endless(6))
    made.run()
    assert peaks() == {"seq2serve_most_active_rows": 2, "seq2serve_most_waiting": 3}
    assert peaks() == {"seq2serve_most_active_rows": 0, "seq2serve_most_waiting": 0}


def test_a_first_token_comes_behind_the_start_that_a_sentence_reads() -> None:
    made = Running()
    options = replace(greedy(LIMIT), start_ids=(7, 8))
    made.engine.submit([Sentence([2, 5, EOS], options, made.outcomes.listener((2, 5, EOS)), 1e9)])
    made.clock.now += 0.5
    made.turn()
    assert made.metric("time_to_first_token_seconds_count") == 0
    made.clock.now += 0.25
    made.turn(2)
    assert made.metric("time_to_first_token_seconds_count") == 1
    assert made.metric("time_to_first_token_seconds_sum") == pytest.approx(0.75)
