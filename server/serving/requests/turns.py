"""Turns on the event loop: whatever has something to do does it in slices, one in a round of the loop.

Between two rounds the loop looks at its sockets, and gRPC begins one new call. So a round must be short, however long
one request takes to parse, and however many streams have something to send.
"""

import asyncio
import time
from collections import deque
from typing import TypeVar

from server.text.steps import Steps

_Result = TypeVar("_Result")

SLICE_SECONDS = 0.002
"""Seconds of work in one turn."""

PAUSE_SECONDS = 0.001
"""Between two slices of long work. A call of a single sentence takes more than ten rounds of the event loop, most of
them short, so that several fit into a pause; if a slice were done in each, the call would take ten slices longer."""

TURNS_A_ROUND = 1


class Turns:
    """First come, first served; where few have something to do, nobody waits. Of work that takes longer than a slice,
    all together do one slice at a time. Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._slot = asyncio.Lock()  # of long work; it wakes those who wait in the order in which they came
        self._num_taken = 0
        """Turns of this round."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, steps: Steps[_Result]) -> _Result:
        """As many turns as the steps need. Returns what they return, and raises what they raise."""
        try:
            await self.turn()
            _advance(steps)
            while True:
                async with self._slot:
                    await asyncio.sleep(PAUSE_SECONDS)
                    _advance(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
        finally:
            steps.close()

    async def turn(self) -> None:
        """Wait for one turn, in which at most a slice of work is to be done."""
        if self._num_taken < TURNS_A_ROUND:
            self._count()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _count(self) -> None:
        if not self._num_taken:
            asyncio.get_running_loop().call_soon(self._begin_round)
        self._num_taken += 1

    def _begin_round(self) -> None:
        self._num_taken = 0
        while self._waiting and self._num_taken < TURNS_A_ROUND:
            turn = self._waiting.popleft()
            if not turn.done():  # else who waited for it has been cancelled
                self._count()
                turn.set_result(None)


def _advance(steps: Steps[_Result]) -> None:
    """One slice. Raises StopIteration at the end."""
    end = time.perf_counter() + SLICE_SECONDS
    while time.perf_counter() < end:
        next(steps)
