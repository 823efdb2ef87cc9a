"""Turns on the event loop."""

import asyncio

from server.serving.turns import Turns


async def test_however_many_have_something_to_do_a_round_of_the_loop_is_short() -> None:
    turns, num_done, most = Turns(), 0, 0

    async def work() -> None:
        nonlocal num_done
        for _ in range(3):
            await turns.take()
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
        await turns.take()
        order.append(number)

    await asyncio.gather(*(work(number) for number in range(50)))
    assert order == list(range(50))


async def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    turns, done = Turns(), []

    async def work(number: int) -> None:
        await turns.take()
        done.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == [0, 1, *range(2, 20, 2)]
