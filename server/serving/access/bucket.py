"""A limit of source tokens a second."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds up to `burst` source tokens, and gains `rate` of them a second.

    What is taken may be more than the bucket holds, if it was full: so a request larger than the burst has its turn as
    well, and whoever sent it waits the longer for the next one. On average nobody has more than the rate.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        """Tokens at `_at`; below 0 after a request larger than what was there."""
        self._at = clock()

    def change(self, rate: float, burst: float) -> None:
        """Set other limits. What was taken stays taken, but for what is more than the new burst: nobody waits for a
        new, lower rate to pay what the old one allowed."""
        if (rate, burst) == (self._rate, self._burst):
            return
        spent = self._burst - self._now()
        self._rate, self._burst, self._level = rate, burst, max(0.0, burst - spent)

    @property
    def left(self) -> int:
        """Whole source tokens that are there now."""
        return max(0, int(self._now()))

    def seconds_until(self, amount: float) -> float:
        """Seconds after which `amount` may be taken; 0.0 for at once."""
        return max(0.0, (min(amount, self._burst) - self._now()) / self._rate)

    def take(self, amount: float) -> None:
        self._level = self._now() - amount

    def _now(self) -> float:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level
