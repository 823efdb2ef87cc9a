"""File descriptors: as many connections as they allow, and a log line where more are refused.

Without a limit of its own, gRPC leaves a connection hanging for which no descriptor is free.
"""

import asyncio
import errno
import logging
import os
import resource
import socket
from pathlib import Path

_logger = logging.getLogger(__name__)

_SPARE = 16
"""Descriptors kept for what is no connection of gRPC: scrapes of the metrics, restarts of engines, files."""

_MOST = 1_000_000
"""Where the system sets no limit."""

_FOLDER = Path("/dev/fd")
"""Where the system lists the descriptors of the process that looks."""

_WATCH_SECONDS = 1.0
_WARN_SECONDS = 10.0


class DescriptorLimit:
    """What the process may open, after it has opened all but its listening sockets and connections."""

    def __init__(self, num_reserved: int, folder: Path = _FOLDER) -> None:
        """`num_reserved`: descriptors for connections to other servers of the process. `folder`: where the system lists
        them. Raises OSError where none is left for a connection."""
        self._folder = folder
        self._limit = _raise_limit()
        self._num_others = self._num_open()
        num_kept = self._num_others + num_reserved + _SPARE
        self.max_connections = self._limit - num_kept
        if self.max_connections < 1:
            needed = num_kept + 1
            raise OSError(f"at least {needed} open files needed, the limit (ulimit -n) is {self._limit}")

    async def warn_when_reached(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if await asyncio.to_thread(self._is_reached):
                _logger.warning(
                    "%d connections are open, as many as the limit of %d open files (ulimit -n) allows: new ones are "
                    "refused",
                    self.max_connections,
                    self._limit,
                )
                await asyncio.sleep(_WARN_SECONDS - _WATCH_SECONDS)

    def _is_reached(self) -> bool:
        try:
            return self._num_open() >= self._num_others + self.max_connections
        except OSError as error:
            return error.errno == errno.EMFILE  # not even one is left to look with

    def _num_open(self) -> int:
        """Descriptors that are open. Where the system does not list them, as in a jail without /proc: as many as are
        open for certain, which is the number of the lowest that is free. Raises OSError if none is."""
        try:
            return len(os.listdir(self._folder)) - 1  # the folder itself is open, too
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise
        with socket.socket() as lowest_free:
            return lowest_free.fileno()


def _raise_limit() -> int:
    """To the highest that the process may have. Returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError):  # the system has a lower one that it does not tell
        return soft
    return limit
