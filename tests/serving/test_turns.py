"""Turns on the event loop: long work hands over to others, short work hardly waits, rounds are short."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from server.serving.requests.turns import SLICE_SECONDS, Turns
from server.text.steps import Steps

NUM_STEPS = 40


def long_work(note: Callable[[], None] = lambda: None) -> Steps[str]:
    for _ in range(NUM_STEPS):
        note()
        end = time.perf_counter() + SLICE_SECONDS / 2
        while time.perf_counter() < end:
            pass
        yield
    return "done"


def short_work() -> Steps[int]:
    yield
    return 7


class LoopTurns:
    """Counts the turns of the running event loop."""

    def __init__(self) -> None:
        self.number = 0
        self._count()

    def _count(self) -> None:
        self.number += 1
        asyncio.get_running_loop().call_soon(self._count)


async def test_short_work_is_done_without_waiting_for_a_turn() -> None:
    with pytest.raises(StopIteration) as ended:
        Turns().take(short_work()).send(None)
    assert ended.value.value == 7


async def test_the_event_loop_turns_many_times_between_the_slices_of_long_work() -> None:
    """More often than there can be slices, so that a call which takes many turns need not wait for as many slices."""
    loop_turns = LoopTurns()
    assert await Turns().take(long_work()) == "done"
    assert loop_turns.number >= 2 * NUM_STEPS


async def test_short_work_overtakes_long_work() -> None:
    turns = Turns()
    long = asyncio.ensure_future(turns.take(long_work()))
    await asyncio.sleep(0)
    assert await turns.take(short_work()) == 7
    assert not long.done()
    await long


async def test_however_many_do_long_work_they_do_one_slice_at_a_time() -> None:
    loop_turns, num_steps = LoopTurns(), Counter[int]()

    def note() -> None:
        num_steps[loop_turns.number] += 1

    turns = Turns()
    await asyncio.gather(*(turns.take(long_work(note)) for _ in range(6)))
    assert max(num_steps.values()) <= 4, "a slice has two or three"


async def test_however_many_begin_short_work_a_round_of_the_loop_is_short() -> None:
    turns, num_done, most = Turns(), 0, 0

    def noted() -> Steps[None]:
        nonlocal num_done
        num_done += 1
        yield

    tasks = [asyncio.create_task(turns.take(noted())) for _ in range(50)]
    while not all(task.done() for task in tasks):
        before = num_done
        await asyncio.sleep(0)  # one round
        most = max(most, num_done - before)
    assert num_done == 50
    assert most <= 4


async def test_what_steps_raise_is_raised_and_others_go_on() -> None:
    def failing() -> Steps[None]:
        yield from long_work()
        raise ValueError("at the end")

    turns = Turns()
    failed, done = await asyncio.gather(turns.take(failing()), turns.take(long_work()), return_exceptions=True)
    assert isinstance(failed, ValueError)
    assert done == "done"


async def test_work_that_is_cancelled_ends_and_others_go_on() -> None:
    ended = []

    def watched() -> Steps[None]:
        try:
            yield from long_work()
        except GeneratorExit:
            ended.append(True)
            raise

    turns = Turns()
    cancelled = asyncio.ensure_future(turns.take(watched()))
    other = asyncio.ensure_future(turns.take(long_work()))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert ended
    assert await other == "done"


async def test_however_many_have_something_to_do_a_round_of_the_loop_is_short() -> None:
    turns, num_done, most = Turns(), 0, 0

    async def work() -> None:
        nonlocal num_done
        for _ in range(3):
            await turns.turn()
            num_done += 1

    tasks = [asyncio.create_task(work()) for _ in range(100)]
    while not all(task.done() for task in tasks):
        before = num_done
        await asyncio.sleep(0)  # one round
        most = max(most, num_done - before)
    assert num_done == 300
    assert most <= 4


async def test_turns_are_taken_in_order() -> None:
    turns, order = Turns(), []

    async def work(number: int) -> None:
        await turns.turn()
        order.append(number)

    await asyncio.gather(*(work(number) for number in range(50)))
    assert order == list(range(50))


async def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    turns, done = Turns(), []
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))

    async def work(number: int) -> None:
        await turns.turn()
        done.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == list(range(0, 20, 2))
    assert not problems
