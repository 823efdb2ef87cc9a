"""Messages are received a few at a time, so that however many arrive at once take little memory.

How large a message is, is not known before it is there. So a call takes one of a few places to receive its own, fairly
between callers, and mostly leaves it at once: a small message has come with the call. A message that is still on its
way after `QUICK_SECONDS` moves to one of a few other places, for large messages and slow senders. Where these are
taken, the call is refused. All places together bound the memory, and no sender keeps another from the first ones for
longer than `QUICK_SECONDS`.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.errors import DeadlineExceeded, Overloaded

_Received = TypeVar("_Received")

QUICK_PLACES = 8
SLOW_PLACES = 6
QUICK_SECONDS = 0.05
SLOW_SECONDS = 20.0
"""That a message may take from its first byte to its last."""

MAX_WAITING = 1_000
"""Calls that wait for a place; beyond them, only a caller of whom none waits may wait."""


class Intake:
    """Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._num_quick = 0
        self._num_slow = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By caller, in the order in which the callers have their turns."""
        self._num_waiting = 0

    async def receive(self, caller: str, receive: Callable[[], Awaitable[_Received]]) -> _Received:
        """What `receive` returns, once there is a place for it. Raises Overloaded or DeadlineExceeded."""
        await self._take_place(caller)
        is_slow = False

        def move() -> None:
            nonlocal is_slow
            if self._num_slow < SLOW_PLACES:
                is_slow = True
                self._num_slow += 1
                self._leave_place()
                scope.reschedule(loop.time() + SLOW_SECONDS)
            else:
                scope.reschedule(loop.time())

        loop = asyncio.get_running_loop()
        timer = loop.call_later(QUICK_SECONDS, move)
        try:
            async with asyncio.timeout(None) as scope:
                return await receive()
        except TimeoutError:
            if is_slow:
                raise DeadlineExceeded(f"while the message came in: {SLOW_SECONDS:g} s are the limit") from None
            problem = f"{SLOW_PLACES} large messages are being received, which is the limit"
            raise Overloaded(problem) from None
        finally:
            timer.cancel()
            if is_slow:
                self._num_slow -= 1
            else:
                self._leave_place()

    async def _take_place(self, caller: str) -> None:
        if self._num_quick < QUICK_PLACES and not self._num_waiting:
            self._num_quick += 1
            return
        if self._num_waiting >= MAX_WAITING and caller in self._waiting:
            raise Overloaded(f"{self._num_waiting} calls wait to send their message, the limit is {MAX_WAITING}")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._num_waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had just been given the place
                self._leave_place()
            else:
                self._forget(caller, turn)
            raise

    def _leave_place(self) -> None:
        """Give the place to the next caller's first call that waits."""
        while self._num_waiting:
            caller, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            self._num_waiting -= 1
            if turns:
                self._waiting[caller] = turns  # behind the others
            if not turn.done():  # else its call is over, and about to take it out
                turn.set_result(None)
                return
        self._num_quick -= 1

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(caller)
        if turns and turn in turns:
            turns.remove(turn)
            self._num_waiting -= 1
            if not turns:
                del self._waiting[caller]
