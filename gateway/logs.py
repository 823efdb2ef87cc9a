"""The gateway's log, which no client can fill: anybody may send what some library warns of, as often as they like."""

import logging
import time

from log_format import configure_logging

_QUIET_SECONDS = 60.0


def configure(log_format: str) -> None:
    """As `configure_logging`; but of the warnings of one place in the code one is written in a minute, with the number
    of those that were not since the one before it."""
    configure_logging(log_format)
    for handler in logging.getLogger().handlers:
        handler.addFilter(SparseWarnings())


class SparseWarnings(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, int], tuple[float, int]] = {}
        """By the place in the code: when the last one was written, and how many were not since. Not by the message as
        well: libraries put into it what a client has sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        written_at, num_omitted = self._written.get(place, (-_QUIET_SECONDS, 0))
        if now - written_at < _QUIET_SECONDS:
            self._written[place] = written_at, num_omitted + 1
            return False
        self._written[place] = now, 0
        if num_omitted:
            record.fields = getattr(record, "fields", {}) | {"omitted": num_omitted}
        return True
