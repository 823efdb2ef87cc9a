"""How much the server takes on at once: what it cannot do soon is refused at once, with the time after which to ask
again, before it costs anything.

A call is refused for the number of calls that run, for the bytes of their messages, and for the limit of its caller's
key (for the time that it would wait for its model: `serving/models/backlog.py`). Each caller's share of the calls, and
of the bytes, follows from how many are free (dynamic thresholds, Choudhury and Hahne 1998): one alone may have nearly
all, and the next one still finds some.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from server.errors import Overloaded, TooManyCalls
from server.serving.access.caller import Caller

_SHARE = 4
"""Of what is counted, such as calls, that a caller may have for each that is free: one alone has four fifths of all at
most, or one single message."""


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

    def check(self, caller: Caller, amount: int = 1) -> None:
        """Raises Overloaded where so much more of this caller would be too much. An amount that is free is not too much
        for a caller that has nothing, however large."""
        free, own = self._limit - self.number, self._by_caller[caller.name]
        if amount > free:
            raise Overloaded(
                f"{self.number} {self._things} are {self._state}, {amount} more would exceed the limit of {self._limit}"
            )
        before_last = amount - 1  # as if they came one by one
        if own and own + before_last >= _SHARE * (free - before_last):
            raise Overloaded(
                f"this caller has {own} {self._things} {self._state}, and all together {self.number} of {self._limit}: "
                f"with {amount} more too few would be free for others"
            )

    def enter(self, caller: Caller, amount: int = 1) -> None:
        """Count so much more, to be ended by `leave`. Raises Overloaded."""
        self.check(caller, amount)
        self._by_caller[caller.name] += amount
        self.number += amount

    def leave(self, caller: Caller, amount: int = 1) -> None:
        self.number -= amount
        self._by_caller[caller.name] -= amount
        if not self._by_caller[caller.name]:
            del self._by_caller[caller.name]


class Admission:
    """The calls that run. Used on the event loop's thread alone."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self._calls = Shares(max_calls, "calls", "running")
        self._bytes = Shares(max_bytes, "bytes of messages", "being answered")
        self._left: dict[str, asyncio.Event] = {}
        """Set when a call of a caller ends, by the names of callers whose streams wait for that."""
        self._turns: dict[str, asyncio.Lock] = {}
        """Held by the stream that is the next to have a call, by caller; others wait for it in their order."""

    @property
    def num_calls(self) -> int:
        return self._calls.number

    @property
    def num_bytes(self) -> int:
        return self._bytes.number

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

    @contextlib.contextmanager
    def holding(self, caller: Caller, num_bytes: int) -> Iterator[None]:
        """Inside, a message that has come counts among the bytes though no call has begun for it. Raises
        Overloaded."""
        self._bytes.enter(caller, num_bytes)
        try:
            yield
        finally:
            self._bytes.leave(caller, num_bytes)

    def enter(self, caller: Caller, num_bytes: int) -> None:
        """Begin a call whose message has come, or one of the requests of a stream, to be ended by `leave`. Raises
        Overloaded."""
        self.check(caller)
        self._bytes.enter(caller, num_bytes)
        self._calls.enter(caller)
        caller.enter()

    def leave(self, caller: Caller, num_bytes: int) -> None:
        self._calls.leave(caller)
        caller.leave()
        self._bytes.leave(caller, num_bytes)
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
