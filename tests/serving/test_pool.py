"""A model's engines as one, with engines that only remember what they were sent."""

import asyncio
import weakref

import pytest

from server.errors import EngineFailed, EngineLost, NotServing, QueueFull
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.options import DecodingOptions
from server.messages.sentence import Failed, Finished, Sentence, Written
from server.serving.engines.pool import EnginePool
from tests.fakes import Outcomes

PART = Hypothesis([7], -0.5, -0.5, ending=Ending.LIMIT, score=-0.5)
DONE = Finished([PART])


class Engine:
    def __init__(self) -> None:
        self.is_behind = False
        self.sentences: list[Sentence] = []
        self.cancelled: list[int] = []

    def submit(self, sentences: list[Sentence]) -> None:
        self.sentences += sentences

    def cancel(self, numbers: list[int]) -> None:
        self.cancelled += numbers

    @property
    def numbers(self) -> list[int]:
        return [sentence.listener for sentence in self.sentences]

    @property
    def lengths(self) -> list[int]:
        return [len(sentence.source_ids) for sentence in self.sentences]


class Pool(EnginePool):
    def __init__(self, num_engines: int, max_waiting: int = 100, max_rows: int = 4, hold_seconds: float = 0.02) -> None:
        self.num_changes = 0
        super().__init__(max_waiting, max_rows, hold_seconds, self._count)
        self.outcomes = Outcomes()
        self.engines = [Engine() for _ in range(num_engines)]
        for engine in self.engines:
            self.join(engine)

    def _count(self) -> None:
        self.num_changes += 1

    def send(self, *lengths: int, num_rows: int = 1, first: int = 0, caller: str = "") -> list[int]:
        """Sentences of so many source tokens, whose keys are counted from `first`."""
        options = DecodingOptions(max_output_tokens=5, beam_size=num_rows)
        return self.submit(
            [
                Sentence([1] * length, options, self.outcomes.listener(key), caller=caller)
                for key, length in enumerate(lengths, start=first)
            ]
        )


async def test_a_request_is_spread_sentence_by_sentence() -> None:
    pool = Pool(2)
    pool.send(*[10] * 20)
    assert [len(engine.sentences) for engine in pool.engines] == [10, 10]


async def test_a_sentence_goes_where_the_fewest_tokens_times_rows_are_open() -> None:
    pool = Pool(2)
    one, other = pool.engines
    pool.send(10, num_rows=3)
    pool.send(8, 8, 8, 8, first=1)
    assert (one.lengths, other.lengths) == ([10], [8, 8, 8, 8])
    pool.send(9, first=5)
    assert one.lengths == [10, 9], "30 are fewer than 32"
    pool.tell([(number, DONE) for number in other.numbers])
    pool.send(39, 1, first=6)
    assert other.lengths[4:] == [39], "what has ended counts no more"


async def test_what_is_cancelled_counts_no_more_and_only_its_engine_hears_of_it() -> None:
    pool = Pool(2)
    one, other = pool.engines
    ids = pool.send(10, 9)
    pool.cancel([ids[0], ids[0], 12345])
    assert (one.cancelled, other.cancelled) == (one.numbers, [])
    pool.send(1, first=2)
    assert one.lengths == [10, 1]
    pool.tell([(one.numbers[0], DONE)])
    assert pool.outcomes.events(0) == []


async def test_an_engine_that_does_not_read_is_passed_over_and_where_none_reads_the_queue_is_full() -> None:
    pool = Pool(2)
    pool.engines[0].is_behind = True
    pool.send(1, 1, 1)
    assert pool.engines[1].lengths == [1, 1, 1]
    pool.engines[1].is_behind = True
    with pytest.raises(QueueFull):
        pool.send(1, first=3)


async def test_a_request_is_accepted_whole_or_not_at_all_and_the_limit_is_one_of_all_engines() -> None:
    pool = Pool(2, max_waiting=9, max_rows=4)
    pool.send(*[1] * 9)
    with pytest.raises(QueueFull, match="1 sentences wait, 9 more would exceed the limit of 9"):
        pool.send(*[1] * 9, first=9)
    assert sum(len(engine.sentences) for engine in pool.engines) == 9
    pool.send(*[1] * 8, first=9)


async def test_what_follows_of_an_accepted_request_has_its_places_whoever_comes_meanwhile() -> None:
    pool = Pool(1, max_waiting=16, max_rows=1)

    def submit(number: int, request: int, num_following: int = 0) -> None:
        options, listener = DecodingOptions(max_output_tokens=5), pool.outcomes.listener(0)
        sentence = Sentence([1], options, listener, caller=f"of {request}", request=request)
        pool.submit([sentence] * number, num_following)

    submit(4, request=1, num_following=12)
    with pytest.raises(QueueFull, match="beside 15 of others, 4 more would exceed the limit of 3"):
        submit(4, request=2)
    submit(3, request=2)
    submit(8, request=1, num_following=4)
    submit(4, request=1)
    pool.release(1)
    assert len(pool.engines[0].sentences) == 4 + 3 + 8 + 4


async def test_places_of_sentences_that_do_not_come_are_free_again() -> None:
    pool = Pool(1, max_waiting=4, max_rows=1)
    sentence = Sentence([1], DecodingOptions(max_output_tokens=5), pool.outcomes.listener(0), caller="one", request=1)
    ids = pool.submit([sentence], num_following=3)
    pool.release(1)
    pool.cancel(ids)
    pool.send(1, 1, 1, 1, caller="other")


async def test_a_caller_that_has_queued_all_the_bulk_that_it_may_still_has_room_for_what_somebody_waits_for() -> None:
    pool = Pool(1, max_waiting=16, max_rows=1)
    bulk = Sentence(
        [1], DecodingOptions(max_output_tokens=5), pool.outcomes.listener(0), caller="one", request=1, is_bulk=True
    )
    pool.submit([bulk] * 14)
    with pytest.raises(QueueFull, match="13 sentences wait, 2 more would exceed the limit of 14"):
        pool.submit([bulk] * 2)
    pool.send(1, 1, 1, first=1, caller="one")


async def test_sentences_that_have_ended_take_no_places_in_the_queue() -> None:
    pool = Pool(1, max_waiting=2, max_rows=1)
    [engine] = pool.engines
    for number in range(20):
        pool.send(1, 1, first=2 * number)
        pool.tell([(sent, DONE) for sent in engine.numbers[-2:]])


async def test_a_caller_that_has_nothing_open_is_forgotten() -> None:
    class Name(str):
        pass

    pool = Pool(1)
    name = Name("one")
    is_known = weakref.ref(name)
    pool.cancel(pool.send(1, caller=name))
    pool.engines[0].sentences.clear()
    del name
    assert not is_known()


async def test_rows_that_a_caller_does_not_take_are_taken_by_the_others_sentences() -> None:
    pool = Pool(1, max_waiting=10, max_rows=8)
    pool.send(*[1] * 8, caller="other")
    pool.send(*[1] * 10, first=8, caller="one")  # none of the others wait
    with pytest.raises(QueueFull):
        pool.send(*[1] * 8, first=18, caller="one")  # as all of them do by now


async def test_a_lost_engine_s_sentences_go_to_the_least_busy_of_the_others() -> None:
    pool = Pool(3)
    first, second, third = pool.engines
    pool.send(6, 6, 6, 6, 6, 6)
    pool.leave(first)
    assert (second.lengths, third.lengths) == ([6, 6, 6], [6, 6, 6])
    assert (pool.num_serving, pool.num_changes) == (2, 4)
    pool.tell([(number, DONE) for engine in (second, third) for number in engine.numbers])
    assert all(pool.outcomes.finished(key) for key in range(6))


async def test_a_lost_engine_s_sentences_go_to_another_even_if_that_does_not_read_and_as_old_as_they_are() -> None:
    pool = Pool(2)
    first, second = pool.engines
    second.is_behind = True
    pool.send(6)
    pool.leave(first)
    assert second.lengths == [6]
    assert second.sentences[0].submitted == first.sentences[0].submitted > 0


async def test_an_engine_that_joins_gets_no_sentences_that_are_in_another() -> None:
    pool = Pool(1)
    pool.send(6)
    late = Engine()
    pool.join(late)
    assert late.lengths == []


async def test_what_a_lost_engine_still_says_is_passed_over() -> None:
    pool = Pool(1)
    [engine] = pool.engines
    pool.send(6)
    pool.leave(engine)
    pool.join(engine)
    old, new = engine.numbers
    assert engine.cancelled == [old]
    pool.tell([(old, Written(PART)), (new, Written(PART)), (old, DONE), (new, DONE)])
    assert pool.outcomes.events(0) == [Written(PART), DONE]


async def test_a_sentence_of_which_a_part_was_told_is_not_decoded_again() -> None:
    pool = Pool(2)
    first, second = pool.engines
    pool.send(1, 1, 1, 1)
    pool.tell([(first.numbers[0], Written(PART))])
    pool.leave(first)
    assert isinstance(pool.outcomes.failed(0).error, EngineLost)
    assert second.lengths == [1, 1, 1]


async def test_a_sentence_that_was_in_two_lost_engines_fails_and_its_neighbours_with_one_go_on() -> None:
    pool = Pool(3)
    first, second, third = pool.engines
    pool.send(30, 20, 10)
    pool.leave(first)
    assert third.lengths == [10, 30]
    pool.leave(third)
    assert isinstance(pool.outcomes.failed(0).error, EngineFailed)
    assert second.lengths == [20, 10]


async def test_the_failures_of_a_broken_loop_are_its_engine_s_loss_and_nobody_s_answer() -> None:
    pool = Pool(2)
    first, second = pool.engines
    pool.send(5)
    pool.tell([(first.numbers[0], Failed(EngineLost()))])
    assert pool.outcomes.events(0) == []
    pool.leave(first)
    pool.tell([(second.numbers[0], Failed(EngineFailed()))])
    assert isinstance(pool.outcomes.failed(0).error, EngineFailed), "what an engine says of one sentence counts"


async def test_without_an_engine_sentences_wait_for_one_and_count_as_waiting() -> None:
    pool = Pool(1, max_waiting=2, hold_seconds=1000)
    pool.leave(pool.engines[0])
    ids = pool.send(1, 2)
    with pytest.raises(QueueFull):
        pool.send(1, first=2)
    pool.cancel(ids[:1])
    late = Engine()
    pool.join(late)
    assert late.lengths == [2]
    pool.close()


async def test_they_wait_only_for_a_while_after_which_nobody_is_kept_waiting() -> None:
    pool = Pool(1)
    pool.send(1)
    pool.leave(pool.engines[0])
    pool.send(1, first=1)
    await asyncio.sleep(0.1)
    for key in range(2):
        assert isinstance(pool.outcomes.failed(key).error, EngineLost)
    with pytest.raises(EngineLost):
        pool.send(1, first=2)
    late = Engine()
    pool.join(late)
    pool.send(1, first=3)
    pool.leave(late)
    pool.send(1, first=4)
    assert (pool.outcomes.events(3), pool.outcomes.events(4)) == ([], []), "they wait anew"


async def test_who_has_waited_for_an_engine_and_got_one_is_left_in_peace() -> None:
    pool = Pool(1)
    pool.send(1)
    pool.leave(pool.engines[0])
    pool.join(Engine())
    await asyncio.sleep(0.1)
    assert pool.outcomes.events(0) == []


async def test_a_closed_pool_accepts_nothing_and_keeps_nobody_waiting() -> None:
    pool = Pool(1, hold_seconds=1000)
    pool.send(1)
    pool.close()
    with pytest.raises(NotServing):
        pool.send(1, first=1)
    pool.leave(pool.engines[0])
    await asyncio.sleep(0.01)
    assert isinstance(pool.outcomes.failed(0).error, EngineLost)


async def test_whoever_waits_for_an_engine_when_the_pool_is_closed_is_not_kept_waiting() -> None:
    pool = Pool(1, hold_seconds=1000)
    pool.send(1)
    pool.leave(pool.engines[0])
    pool.close()
    assert isinstance(pool.outcomes.failed(0).error, EngineLost)
