"""How much the server takes on at once: what it cannot do soon is refused at once, with the time after which to ask
again, before it costs anything.

A call is refused for the number of calls that run, for the bytes of their messages, and for the limit of its caller's
key (for the time that it would wait for its model: `serving/models/backlog.py`). Each caller's share of the calls
follows from how many are free (dynamic thresholds, Choudhury and Hahne 1998): one alone may have nearly all, and the
next one still finds some.
"""

import asyncio
from collections import Counter

from server.errors import Overloaded, TooManyCalls
from server.serving.access.caller import Caller

_SHARE = 4
"""Of what is counted, such as calls, that a caller may have for each that is free: one alone has four fifths of all at
most."""


class Shares:
    """Something of which there may be so many at a time, shared between callers. Used on the event loop's thread
    alone."""

    def __init__(self, limit: int, things: str, state: str) -> None:
        """`things` and `state`: for messages, such as "calls" and "running"."""
        self._limit = limit
        self._things = things
        self._state = state
        self._by_caller: Counter[str] = Counter()
        self.number = 0
        """Of all callers together."""

    def has(self, caller: Caller) -> bool:
        """Whether the caller has any."""
        return caller.name in self._by_caller

    def check(self, caller: Caller) -> None:
        """Raises Overloaded where one more of this caller would be too much."""
        free = self._limit - self.number
        if free <= 0:
            raise Overloaded(f"{self._limit} {self._things} are {self._state}, which is the limit")
        if self._by_caller[caller.name] >= _SHARE * free:
            raise Overloaded(
                f"this caller has {self._by_caller[caller.name]} {self._things} {self._state}, and all together "
                f"{self.number} of {self._limit}: the free ones are for others"
            )

    def enter(self, caller: Caller) -> None:
        """Count one more, to be ended by `leave`. Raises Overloaded."""
        self.check(caller)
        self._by_caller[caller.name] += 1
        self.number += 1

    def leave(self, caller: Caller) -> None:
        self.number -= 1
        self._by_caller[caller.name] -= 1
        if not self._by_caller[caller.name]:
            del self._by_caller[caller.name]


class Admission:
    """The calls that run. Used on the event loop's thread alone."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._calls = Shares(max_calls, "calls", "running")
        self._num_bytes = 0
        self._left: dict[str, asyncio.Event] = {}
        """Set when a call of a caller ends, by the names of callers whose streams wait for that."""
        self._turns: dict[str, asyncio.Lock] = {}
        """Held by the stream that is the next to have a call, by caller; others wait for it in their order."""

    @property
    def num_calls(self) -> int:
        return self._calls.number

    @property
    def num_bytes(self) -> int:
        return self._num_bytes

    def check(self, caller: Caller) -> None:
        """Raises Overloaded where one more call of this caller would be too much."""
        caller.check_calls()
        self._calls.check(caller)

    async def wait_for_call(self, caller: Caller) -> None:
        """Wait until the limit of the caller's key lets it have one more call. Those who wait have their turns in
        order."""
        name = caller.name
        if name not in self._turns and not _has_all_its_calls(caller):
            return
        async with self._turns.setdefault(name, asyncio.Lock()):
            while _has_all_its_calls(caller):
                await self._left.setdefault(name, asyncio.Event()).wait()

    def enter(self, caller: Caller, num_bytes: int) -> None:
        """Begin a call whose message has come, or one of the requests of a stream, to be ended by `leave`. Raises
        Overloaded."""
        self.check(caller)
        if self._num_bytes + num_bytes > self._max_bytes:
            raise Overloaded(
                f"messages of {self._num_bytes} bytes are being answered, {num_bytes} more would exceed the limit of "
                f"{self._max_bytes}"
            )
        self._calls.enter(caller)
        caller.enter()
        self._num_bytes += num_bytes

    def leave(self, caller: Caller, num_bytes: int) -> None:
        self._calls.leave(caller)
        caller.leave()
        self._num_bytes -= num_bytes
        if left := self._left.pop(caller.name, None):
            left.set()
        turn = self._turns.get(caller.name)
        if turn and not turn.locked() and not self._calls.has(caller):
            del self._turns[caller.name]


def _has_all_its_calls(caller: Caller) -> bool:
    try:
        caller.check_calls()
    except TooManyCalls:
        return True
    return False
