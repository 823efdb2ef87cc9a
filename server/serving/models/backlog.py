"""What a model has to do still, and whether one more request would have to wait for too long."""

import time
from collections import Counter
from collections.abc import Callable

from server.errors import Overloaded

_WINDOW_SECONDS = 0.25
"""Time over which a model's rate is measured."""

_FORGETTING = 0.98
"""What a window leaves of the highest rate that was measured before: a model that has become slower is known to be so
within some ten seconds of work."""

_BULK_PATIENCE = 4
"""How many times its own time in the engine a request waits for others, on top of `max_delay_seconds`: who sends much
at once is not in a hurry."""

_LEAST_COST = 300
"""Source tokens that may always be under way: a few dozen sentences, which a batch takes in at once."""


class Backlog:
    """What one model has to do still, and how fast it does it. Costs are in source tokens, times the rows that each
    sentence may hold."""

    def __init__(self, max_delay_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_delay_seconds = max_delay_seconds
        self._clock = clock
        self.open = 0
        """Cost of the sentences that have been submitted, and have not left."""
        self._of_caller: Counter[str] = Counter()
        """Cost of the sentences under way, by caller."""
        self._rate = 0.0
        """The highest of late, a second; 0 while none is known."""
        self._window_started = -1.0
        self._done_in_window = 0

    def check(self, caller: str, cost: int) -> None:
        """Raises Overloaded where a request of this cost would have to wait for too long. Callers have equal shares of
        the model, so that one waits for what it has under way itself, at its share of the rate."""
        if not self._rate or self.open + cost <= _LEAST_COST:
            return
        delay = min(self.open, self._of_caller[caller] * len(self._of_caller)) / self._rate
        most = self._max_delay_seconds + _BULK_PATIENCE * cost / self._rate
        if delay > most:
            problem = f"an answer would have to wait for about {delay:.2f} s, {most:.2f} s are the limit"
            raise Overloaded(problem, retry_seconds=max(delay - most, 0.05))

    def add(self, caller: str, cost: int) -> None:
        """Sentences of this cost have been submitted."""
        if self.open < _LEAST_COST:  # what is done at leisure says nothing of what can be done
            self._window_started, self._done_in_window = self._clock(), 0
        self.open += cost
        self._of_caller[caller] += cost

    def remove(self, caller: str, cost: int, is_done: bool) -> None:
        """Sentences of this cost have left the engine, translated (`is_done`) or not."""
        self.open -= cost
        self._of_caller[caller] -= cost
        if not self._of_caller[caller]:
            del self._of_caller[caller]
        if not is_done or self.open < _LEAST_COST:
            return
        self._done_in_window += cost
        elapsed = self._clock() - self._window_started
        if elapsed >= _WINDOW_SECONDS:
            self._rate = max(self._done_in_window / elapsed, self._rate * _FORGETTING)
            self._window_started += elapsed
            self._done_in_window = 0
