"""Messages are received a few at a time, so that however many arrive at once take little memory.

How large a message is, is not known before it is there. So a call takes one of a few places to receive its own, fairly
between callers, and mostly leaves it at once: a small message has come with the call. A message that is still on its
way after `QUICK_SECONDS` moves to one of a few other places, for large messages and slow senders. Where these are
taken, the call that has been there longest is refused: it may be one whose message never comes. All places together
bound the memory, and no sender keeps another from the first ones for longer than `QUICK_SECONDS`. Callers whose last
message was not there in that time have their turns after the others.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import cachetools

from server.errors import DeadlineExceeded, Overloaded, TranslationError

_Received = TypeVar("_Received")

QUICK_PLACES = 3
SLOW_PLACES = 2
QUICK_SECONDS = 0.01
SLOW_SECONDS = 20.0
"""Time that a message may take from its first byte to its last."""

MAX_WAITING = 1_000
"""Calls that wait for a place; beyond them, calls of the caller that has most of them waiting are refused."""


_MAX_LATE = 10_000
"""Callers that are remembered as late."""


@dataclass(slots=True, eq=False)
class _Place:
    """What a call holds while its message comes in."""

    caller: str
    task: "asyncio.Task[Any] | None"
    """The call's; it is cancelled where the message is too slow."""
    since: float
    is_slow: bool = False
    error: TranslationError | None = None
    """Why it was cancelled."""


class Intake:
    """Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._quick: set[_Place] = set()
        self._slow: set[_Place] = set()
        self._num_given = 0
        """Quick places that calls have been woken for and not yet taken."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By caller, in the order in which the callers have their turns."""
        self._late: cachetools.LRUCache[str, None] = cachetools.LRUCache(_MAX_LATE)
        """Callers that have let a quick place go by."""
        self._num_waiting = 0
        self._is_watching = False

    async def receive(self, caller: str, receive: Callable[[], Awaitable[_Received]]) -> _Received:
        """What `receive` returns, once there is a place for it. Raises Overloaded or DeadlineExceeded."""
        if self._num_waiting or len(self._quick) + self._num_given >= QUICK_PLACES:
            await self._wait(caller)
            self._num_given -= 1
        loop = asyncio.get_running_loop()
        place = _Place(caller, asyncio.current_task(), loop.time())
        self._quick.add(place)
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(QUICK_SECONDS, self._watch)
        try:
            return await receive()
        except asyncio.CancelledError:
            if place.error is None:
                raise
            assert place.task
            place.task.uncancel()
            raise place.error from None
        finally:
            if place.is_slow:
                self._slow.discard(place)
            else:
                self._quick.discard(place)
                self._late.pop(caller, None)
            self._give_places()

    def _watch(self) -> None:
        """Messages that take long move to the places for them, or end their calls; one timer watches all."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place in [one for one in self._quick if now - one.since >= QUICK_SECONDS]:
            self._quick.discard(place)
            place.is_slow = True
            self._slow.add(place)
            self._late[place.caller] = None
        if len(self._slow) > SLOW_PLACES:
            problem = f"{SLOW_PLACES} large messages are being received, which is the limit"
            for place in sorted(self._slow, key=lambda one: one.since)[: len(self._slow) - SLOW_PLACES]:
                self._end(place, Overloaded(problem))
        for place in [one for one in self._slow if now - one.since >= SLOW_SECONDS]:
            self._end(place, DeadlineExceeded(f"while the message came in: {SLOW_SECONDS:g} s are the limit"))
        self._give_places()
        self._is_watching = bool(self._quick or self._slow or self._num_waiting)
        if self._is_watching:
            loop.call_later(QUICK_SECONDS / 2, self._watch)

    def _end(self, place: _Place, error: TranslationError) -> None:
        if place.error is None and place.task:
            place.error = error
            place.task.cancel()

    async def _wait(self, caller: str) -> None:
        """For a quick place, which is then the call's to take."""
        if self._num_waiting >= MAX_WAITING:
            self._refuse_one(caller)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._num_waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._num_given -= 1
                self._give_places()
            raise

    def _refuse_one(self, caller: str) -> None:
        """One call less waits, the newest of whoever has most. Raises Overloaded where that is the caller itself."""
        problem = Overloaded(f"{MAX_WAITING} calls wait to send their message, which is the limit")
        turns = max(self._waiting.values(), key=len)
        if len(turns) <= len(self._waiting.get(caller, ())) + 1:
            raise problem
        turn = turns.pop()
        self._num_waiting -= 1
        if not turn.done():
            turn.set_exception(problem)

    def _give_places(self) -> None:
        """To the first call that waits of each caller in turn."""
        while self._num_waiting and len(self._quick) + self._num_given < QUICK_PLACES:
            caller = next((one for one in self._waiting if one not in self._late), next(iter(self._waiting)))
            turns = self._waiting.pop(caller)
            turn = turns.popleft()
            self._num_waiting -= 1
            if turns:
                self._waiting[caller] = turns  # behind the others
            if not turn.done():  # else its call is over
                self._num_given += 1
                turn.set_result(None)
