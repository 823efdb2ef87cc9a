"""What goes between the two processes comes out as it went in."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import DeadlineExceeded, EngineFailed, NotServing, QueueFull, SentenceFailed, TranslationError
from server.messages.frames import Cancel, Collect, Submit, Told, Unframed, framed, framed_events
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.options import DecodingOptions, RequiredTerm
from server.messages.sentence import Event, Failed, Finished, Sentence, Written

MESSAGES: list[Any] = [
    Cancel([1, 2]),
    Collect(),
    Submit([Sentence([5, 3], DecodingOptions(max_output_tokens=9, prefix=(4, 5)), 17, 1.5, True)]),
    Told([(17, Written(Hypothesis([4])))]),
    Told([(17, Finished([Hypothesis([4, 5], -1.0, -1.5, [-0.5, -0.5], ending=Ending.EOS, score=-2.0)]))]),
]


@given(st.lists(st.sampled_from(range(len(MESSAGES))), max_size=9), st.lists(st.integers(1, 40), min_size=1))
def test_messages_come_out_in_order_whatever_pieces_their_bytes_come_in(chosen: list[int], sizes: list[int]) -> None:
    sent = [MESSAGES[index] for index in chosen]
    left = b"".join(map(framed, sent))
    unframed, received = Unframed(), []
    number = 0
    while left:
        size = sizes[number % len(sizes)]
        received += unframed.feed(left[:size])
        left, number = left[size:], number + 1
    assert received == sent


def test_a_length_that_no_message_has_is_refused_before_its_bytes_are_waited_for() -> None:
    unframed = Unframed()
    assert unframed.feed(framed(MESSAGES[0])[:-1]) == []
    with pytest.raises(ValueError, match="a message of 4294967295 bytes, where at most 536870912 are expected"):
        unframed.feed(framed(MESSAGES[0])[-1:] + b"\xff\xff\xff\xff")


def test_attention_comes_out_as_it_went_in() -> None:
    attention = [np.array([0.25, 0.75], np.float32), np.array([1.0, 0.0], np.float32)]
    by_head = [np.full((3, 2), weight, np.float32) for weight in (0.5, 0.25)]
    sent = Hypothesis([4, 5], attention=attention, attention_by_head=by_head)
    [told] = Unframed().feed(framed(Told([(1, Finished([sent]))])))
    [(_, finished)] = told.events
    [received] = finished.hypotheses
    assert all(map(np.array_equal, received.attention, attention))
    assert all(map(np.array_equal, received.attention_by_head, by_head))
    assert (len(received.attention), len(received.attention_by_head)) == (2, 2)


def test_events_that_are_very_large_together_come_in_several_messages() -> None:
    heads = [np.full((16, 256), number, np.float32) for number in range(200)]
    events: list[tuple[int, Event]] = [
        (number, Finished([Hypothesis([4] * 200, attention_by_head=heads)])) for number in range(40)
    ]
    messages = list(framed_events(events))
    assert 1 < len(messages) < len(events)
    assert max(map(len, messages)) < 1 << 27
    told = [event for message in messages for one in Unframed().feed(message) for event in one.events]
    assert [number for number, _ in told] == list(range(40))
    assert np.array_equal(told[-1][1].hypotheses[0].attention_by_head[199], heads[199])


def test_few_events_are_one_message() -> None:
    few = MESSAGES[-1]
    assert list(framed_events(few.events)) == [framed(few)]


def test_options_come_out_as_they_went_in() -> None:
    options = DecodingOptions(
        max_output_tokens=9,
        prefix=(4, 5),
        forbidden_phrases=("ab", "c▁d"),
        required_terms=(RequiredTerm((7, 8), range(2, 4)),),
        guided=True,
    )
    [submit] = Unframed().feed(framed(Submit([Sentence([3], options, 1)])))
    received = submit.sentences[0].options
    assert received == options
    assert repr(received) == repr(options)


def test_what_the_sentences_of_a_request_share_is_sent_once() -> None:
    phrases = tuple(f"{number:0200}" for number in range(64))
    options = DecodingOptions(max_output_tokens=9, forbidden_phrases=phrases)
    one, many = (len(framed(Submit([Sentence([3], options, 1)] * number))) for number in (1, 1000))
    assert many < one + 1000 * 100


@pytest.mark.parametrize(
    "error",
    [QueueFull(3, 2, 4), NotServing(), DeadlineExceeded("in the queue"), SentenceFailed(), EngineFailed()],
    ids=repr,
)
def test_an_error_keeps_its_kind_and_its_message(error: TranslationError) -> None:
    [told] = Unframed().feed(framed(Told([(1, Failed(error))])))
    [(_, failed)] = told.events
    assert type(failed.error) is type(error)
    assert str(failed.error) == str(error)
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__
