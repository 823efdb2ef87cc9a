"""Long work hands over to others; short work does not wait."""

import asyncio
import time
from collections.abc import Callable

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


def test_short_work_is_done_without_waiting_for_a_turn() -> None:
    with pytest.raises(StopIteration) as ended:
        Turns().take(short_work()).send(None)
    assert ended.value.value == 7


async def test_the_event_loop_turns_many_times_between_the_slices_of_long_work() -> None:
    """More often than there can be slices, so that a call which takes many turns need not wait for as many slices."""
    loop_turns = LoopTurns()
    assert await Turns().take(long_work()) == "done"
    assert loop_turns.number >= 2 * NUM_STEPS


async def test_in_a_turn_one_slice_of_all_long_work_is_done_and_everyone_s_in_turn() -> None:
    loop_turns, turns = LoopTurns(), Turns()
    workers_of: dict[int, set[int]] = {}
    first_turn = loop_turns.number
    order: list[int] = []

    def note(worker: int) -> None:
        workers_of.setdefault(loop_turns.number, set()).add(worker)
        if not order or order[-1] != worker:
            order.append(worker)

    await asyncio.gather(*(turns.take(long_work(lambda own=own: note(own))) for own in range(3)))  # type: ignore[misc]
    first_slices = {turn for turn in workers_of if turn <= first_turn + 1}
    assert all(len(workers) == 1 for turn, workers in workers_of.items() if turn not in first_slices)
    assert order[:12] == [0, 1, 2] * 4


async def test_short_work_overtakes_long_work() -> None:
    turns = Turns()
    long = asyncio.ensure_future(turns.take(long_work()))
    await asyncio.sleep(0)
    assert await turns.take(short_work()) == 7
    assert not long.done()
    await long


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
