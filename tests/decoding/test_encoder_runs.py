"""Who is encoded with whom."""

from hypothesis import given
from hypothesis import strategies as st

from server.decoding.encoder_runs import encoder_runs
from server.decoding.open_sentence import Encoded, OpenSentence
from server.decoding.scheduler import Ticket
from server.messages.sentence import Sentence
from tests.fakes import greedy


def opened(id_: int, length: int, encoded: bool = False) -> OpenSentence:
    sentence = Sentence([5] * length, greedy(9), id_)
    return OpenSentence(sentence, Ticket(id_, length, 1e9), 0.0, encoded=Encoded({}, 0) if encoded else None)


def ids(sentences: list[OpenSentence]) -> list[int]:
    return [one.ticket.id for one in sentences]


def test_joiners_share_a_run_as_far_as_padding_costs_less_than_another_run() -> None:
    joining = [opened(0, 5), opened(1, 30), opened(2, 13), opened(3, 22), opened(4, 14)]
    runs = encoder_runs(joining, joining, 1000)
    assert [ids(run.joining) for run in runs] == [[1, 3], [4, 2], [0]]


def test_companions_are_about_as_long_as_the_longest_and_not_encoded_yet() -> None:
    joining = [opened(0, 9), opened(1, 7)]
    waiting = [opened(2, 6), opened(3, 9), opened(4, 9, encoded=True), opened(5, 10), opened(6, 7), opened(7, 9)]
    [run] = encoder_runs(joining, [*joining, *waiting], 1000)
    assert ids(run.joining) == [0, 1]
    assert ids(run.companions) == [3, 6, 7]


def test_a_sentence_is_the_companion_of_one_run_only() -> None:
    joining = [opened(0, 20), opened(1, 11)]
    waiting = [opened(2, 11), opened(3, 20), opened(4, 10)]
    runs = encoder_runs(joining, [*joining, *waiting], 1000)
    assert [ids(run.companions) for run in runs] == [[3], [2, 4]]


def test_who_is_encoded_already_needs_no_run() -> None:
    assert encoder_runs([opened(0, 9, encoded=True)], [opened(1, 9)], 1000) == []


lengths = st.lists(st.integers(1, 40), max_size=12)


@given(joining=lengths, waiting=lengths, max_tokens=st.integers(1, 300))
def test_every_joiner_is_in_one_run_and_companions_keep_to_the_bound(
    joining: list[int], waiting: list[int], max_tokens: int
) -> None:
    joiners = [opened(index, length) for index, length in enumerate(joining)]
    others = [opened(100 + index, length) for index, length in enumerate(waiting)]
    runs = encoder_runs(joiners, [*joiners, *others], max_tokens)
    assert sorted(id_ for run in runs for id_ in ids(run.joining)) == list(range(len(joiners)))
    companions = [id_ for run in runs for id_ in ids(run.companions)]
    assert len(set(companions)) == len(companions)
    assert all(id_ >= 100 for id_ in companions)
    num_tokens = sum(len([*run.joining, *run.companions]) * run.joining[0].ticket.num_source_tokens for run in runs)
    assert num_tokens <= max_tokens or not companions
