"""Messages are received a few at a time, so that however many arrive at once take little memory.

The size of a message is not known before all of the message is there. So every call takes one of a few quick places to
receive its message in; callers have them in turn. Most calls leave their place at once, as a small message comes with
its call. A message that is still on its way after `QUICK_SECONDS` moves to one of a few slow places, for large messages
and slow senders. If there are more messages than slow places, the call that has waited for its message longest is
refused: it may be one whose message never comes. All places together bound the memory that messages take, and no
sender keeps another from the quick places for longer than `QUICK_SECONDS`. A caller whose last message was not there in
that time has its turns after the others.
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
"""Time that a message may take to come, from when its call has a place."""

MAX_WAITING = 1_000
"""Calls that may wait for a place; beyond them, calls of the caller that has most calls waiting are refused."""

_MAX_LATE = 10_000
"""Callers that are remembered as late, the last ones."""


@dataclass(slots=True, eq=False)
class _Place:
    """A place, which a call holds while its message comes in."""

    caller: str
    task: "asyncio.Task[Any] | None"
    """The task that answers the call; it is cancelled where the message is too slow."""
    since: float
    """When the call took the place, on the event loop's clock."""
    is_slow: bool = False
    """Whether this is a slow place by now."""
    error: TranslationError | None = None
    """What the call is refused with; None as long as `task` was not cancelled for it."""


class Intake:
    """The places in which calls receive their messages, and the calls that wait for one. Used on the event loop's
    thread alone."""

    def __init__(self) -> None:
        self._quick: set[_Place] = set()
        self._slow: set[_Place] = set()
        self._num_given = 0
        """Quick places that were given to waiting calls which have not run since."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Calls that wait for a quick place, by caller; the callers are in the order of their turns."""
        self._late: cachetools.LRUCache[str, None] = cachetools.LRUCache(_MAX_LATE)
        """Callers whose last message did not come while its call had a quick place."""
        self._num_waiting = 0
        self._is_watching = False

    async def receive(self, caller: str, receive: Callable[[], Awaitable[_Received]]) -> _Received:
        """Wait for a quick place, then return what `receive` returns. Raises Overloaded or DeadlineExceeded."""
        if len(self._quick) + self._num_given >= QUICK_PLACES:
            await self._wait_for_place(caller)
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
        """Move messages that take long to slow places, and end calls whose messages take too long. One timer does it
        for all places."""
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
                self._refuse(place, Overloaded(problem))
        for place in [one for one in self._slow if now - one.since >= SLOW_SECONDS]:
            self._refuse(place, DeadlineExceeded(f"while the message came in: {SLOW_SECONDS:g} s are the limit"))
        self._give_places()
        self._is_watching = bool(self._quick or self._slow or self._num_waiting)
        if self._is_watching:
            loop.call_later(QUICK_SECONDS / 2, self._watch)

    def _refuse(self, place: _Place, error: TranslationError) -> None:
        """Cancel the call that holds a place, so that it is refused with this error."""
        if place.error is None and place.task:
            place.error = error
            place.task.cancel()

    async def _wait_for_place(self, caller: str) -> None:
        """Wait for a quick place, which is kept for the call from then on. Raises Overloaded."""
        if self._num_waiting >= MAX_WAITING:
            self._refuse_newest(caller)
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

    def _refuse_newest(self, caller: str) -> None:
        """Refuse the newest waiting call of the caller that has most calls waiting. Raises Overloaded where that is
        `caller` itself, whose call is about to wait."""
        problem = Overloaded(f"{MAX_WAITING} calls wait to send their message, which is the limit")
        turns = max(self._waiting.values(), key=len)
        if len(turns) <= len(self._waiting.get(caller, ())) + 1:
            raise problem
        turn = turns.pop()
        self._num_waiting -= 1
        if not turn.done():
            turn.set_exception(problem)

    def _give_places(self) -> None:
        """Give free quick places to waiting calls: to the first of each caller in turn, of late callers last."""
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
