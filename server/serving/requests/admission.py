"""How much the server takes on at once: what it cannot do soon is refused at once, with the time after which to ask
again, before it costs anything.

A call is refused for the number of calls that run, for the bytes of their messages, and for the limit of its caller's
key (for the time that it would wait for its model: `serving/models/backlog.py`). Each caller's share of the calls
follows from how many are free (dynamic thresholds, Choudhury and Hahne 1998): one alone may have nearly all, and the
next one still finds some.
"""

from collections import Counter

from server.errors import Overloaded
from server.serving.access.caller import Caller

_SHARE = 4
"""Calls that a caller may have running for each that is free: one alone has four fifths of all at most."""


class Admission:
    """The calls that run. Used on the event loop's thread alone."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._calls: Counter[str] = Counter()
        self._num_calls = 0
        self._num_bytes = 0

    def check(self, caller: Caller) -> None:
        """Raises Overloaded where one more call of this caller would be too much."""
        caller.check_calls()
        free = self._max_calls - self._num_calls
        if free <= 0:
            raise Overloaded(f"{self._max_calls} calls are running, which is the limit")
        if self._calls[caller.name] >= _SHARE * free:
            raise Overloaded(
                f"this caller has {self._calls[caller.name]} calls running, and all together {self._num_calls} "
                f"of {self._max_calls}: the free ones are for others"
            )

    def enter(self, caller: Caller, num_bytes: int) -> None:
        """Begin a call whose message has come, or one of the requests of a stream, to be ended by `leave`. Raises
        Overloaded."""
        self.check(caller)
        if self._num_bytes + num_bytes > self._max_bytes:
            raise Overloaded(
                f"messages of {self._num_bytes} bytes are being answered, {num_bytes} more would exceed the limit of "
                f"{self._max_bytes}"
            )
        caller.enter()
        self._calls[caller.name] += 1
        self._num_calls += 1
        self._num_bytes += num_bytes

    def leave(self, caller: Caller, num_bytes: int) -> None:
        caller.leave()
        self._num_calls -= 1
        self._num_bytes -= num_bytes
        self._calls[caller.name] -= 1
        if not self._calls[caller.name]:
            del self._calls[caller.name]
