"""Turns on the event loop: whatever has much to do does it in small parts, and a few of them in one round of the loop.

Between two rounds the loop looks at its sockets, and gRPC begins one new call. So the time that a round takes is the
time that calls which have come wait to be begun: 200 streams, each of which has something to send, would make it long.
"""

import asyncio
from collections import deque

_TURNS_A_ROUND = 2


class Turns:
    """Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._num_taken = 0
        """In this round."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn, first come, first served. Where few are busy, there is nothing to wait for."""
        if self._num_taken < _TURNS_A_ROUND and not self._waiting:
            self._count()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _count(self) -> None:
        if not self._num_taken:
            asyncio.get_running_loop().call_soon(self._next_round)
        self._num_taken += 1

    def _next_round(self) -> None:
        self._num_taken = 0
        while self._waiting and self._num_taken < _TURNS_A_ROUND:
            turn = self._waiting.popleft()
            if not turn.done():  # else who waited for it has been cancelled
                self._count()
                turn.set_result(None)
