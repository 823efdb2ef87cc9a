"""Who was refused, in the log: one line a second at most, however many try."""

import logging
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)

_SECONDS = 1.0


class RefusalLog:
    """Calls that were refused for want of a key or of a role, or whose message cannot be read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = -1.0
        self._num_unsaid = 0

    def note(self, request_id: str, caller: object, error: Exception) -> None:
        now = self._clock()
        if now < self._quiet_until:
            self._num_unsaid += 1
            return
        more = f"; {self._num_unsaid} others before it" if self._num_unsaid else ""
        _logger.warning("request %s of %s is refused: %s%s", request_id, caller, error, more)
        self._quiet_until, self._num_unsaid = now + _SECONDS, 0
