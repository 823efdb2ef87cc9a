"""The work that is before a model, and whether one more request would have to wait for too long."""

import time
from collections import Counter
from collections.abc import Callable

from server.errors import Overloaded

_WINDOW_SECONDS = 0.25
"""Time over which a model's rate is measured."""

_FIRST_WINDOWS = 4
"""Windows from which a rate is known. The first may have been a bad one, of a process that was stopped or starved in
it: to believe it would be to refuse calls for a minute that are answered within a second."""

_FORGETTING = 0.98
"""What every window leaves of the highest rate that was measured before it: that a model has become slower is known
after some ten seconds of work."""

_BULK_PATIENCE = 4
"""A request may wait for as many times the time that it takes itself, on top of `max_delay_seconds`: whoever sends
much at once is not in a hurry."""

_BULK_SHARE = 1 / 8
"""What a bulk request is given beside an interactive one of the same caller, as the engine's scheduler shares rows."""

_LEAST_COST = 300
"""Cost that may always be under way: a few dozen sentences, which a batch takes in at once."""


class Backlog:
    """The work that is before one model, and how fast the model does it. The cost of a sentence is
    what `DecodingOptions.cost` says."""

    def __init__(self, max_delay_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_delay_seconds = max_delay_seconds
        self._clock = clock
        self.open = 0
        """Cost of the sentences under way: they have been submitted, and have not left the engine."""
        self._of_caller: Counter[str] = Counter()
        """Cost of the sentences under way, by caller."""
        self._bulk_of_caller: Counter[str] = Counter()
        """As much of it as is bulk."""
        self._rate = 0.0
        """The highest cost done in a second, of late."""
        self._num_windows = 0
        """Windows over which it was measured, up to those that it takes."""
        self._window_started = -1.0
        self._done_in_window = 0

    def check(self, caller: str, cost: int, is_bulk: bool = False) -> None:
        """Raises Overloaded where a request of this cost would have to wait for too long. Callers have equal shares of
        the model, so that a request waits for what its own caller has under way, at the caller's share of the rate. It
        passes bulk if it is none itself."""
        if self._num_windows < _FIRST_WINDOWS or self.open + cost <= _LEAST_COST:
            return
        before: float = self._of_caller[caller]
        if not is_bulk:
            bulk = self._bulk_of_caller[caller]
            before -= bulk
            before += min(bulk, _BULK_SHARE * (before + cost))
        delay = min(self.open, before * len(self._of_caller)) / self._rate
        most = self._max_delay_seconds + _BULK_PATIENCE * cost / self._rate
        if delay > most:
            problem = f"an answer would have to wait for about {delay:.2f} s, {most:.2f} s are the limit"
            raise Overloaded(problem, retry_seconds=max(delay - most, 0.05))

    def add(self, caller: str, cost: int, is_bulk: bool = False) -> None:
        """Count sentences that have been submitted."""
        if self.open < _LEAST_COST:  # what is done at leisure says nothing of what can be done
            self._window_started, self._done_in_window = self._clock(), 0
        self.open += cost
        self._of_caller[caller] += cost
        if is_bulk:
            self._bulk_of_caller[caller] += cost

    def remove(self, caller: str, cost: int, is_done: bool, is_bulk: bool = False) -> None:
        """Count sentences out that have left the engine, translated (`is_done`) or not."""
        self.open -= cost
        self._of_caller[caller] -= cost
        if not self._of_caller[caller]:
            del self._of_caller[caller]
        if is_bulk:
            self._bulk_of_caller[caller] -= cost
            if not self._bulk_of_caller[caller]:
                del self._bulk_of_caller[caller]
        if not is_done or self.open < _LEAST_COST:
            return
        self._done_in_window += cost
        elapsed = self._clock() - self._window_started
        if elapsed >= _WINDOW_SECONDS:
            self._rate = max(self._done_in_window / elapsed, self._rate * _FORGETTING)
            self._num_windows = min(self._num_windows + 1, _FIRST_WINDOWS)
            self._window_started += elapsed
            self._done_in_window = 0
