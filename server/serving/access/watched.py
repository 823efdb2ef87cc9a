"""Files that are read at the start, and again whenever they change."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from prometheus_client import Gauge

_logger = logging.getLogger(__name__)

_Content = TypeVar("_Content")
_Signature = list[tuple[int, ...] | None]

INTERVAL_SECONDS = 1.0
"""Time between two looks at the files; longer than a tick of a file system's clock, so that whatever is written after a
look changes what the next one sees."""


class WatchedFiles(Generic[_Content]):
    """Files that belong together. A link is followed, so that it may also be led elsewhere, as Kubernetes does."""

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        read: Callable[[], _Content],
        is_successful: Gauge,
    ) -> None:
        """`name`: of all of them, for the log and the metrics; `read`: raises OSError or ValueError for files that
        cannot be used, here and now as well; `is_successful`: by name."""
        self._name = name
        self._paths = paths
        self._read = read
        self._is_successful = is_successful.labels(name)
        self._signature: _Signature | None = _signature(paths)  # before they are read: what changes is read again
        """Of the files as they are in force; None: they could not be used, and are to be read again."""
        self.first = read()
        """What was read at the start."""
        self._is_successful.set(1)

    async def watch(self, use: Callable[[_Content], None]) -> None:
        """Hand over what is read whenever the files have changed and can be used; runs until it is cancelled. They are
        read when two looks in a row have found them alike, and no writer is amid them. `use` raises for what is not to
        be used. That, and what cannot be read, is tried again and again, as its reason may go without a change of the
        files."""
        logged: tuple[_Signature, str] | None = None
        signature = self._signature
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            before, signature = signature, await asyncio.to_thread(_signature, self._paths)
            if signature == self._signature or signature != before:
                continue
            try:
                content = await asyncio.to_thread(self._read)
                if await asyncio.to_thread(_signature, self._paths) != signature:
                    continue
                use(content)
            except Exception as error:  # whatever it is, the server goes on with what it has
                self._signature = None
                self._is_successful.set(0)
                if logged != (failure := (signature, str(error))):
                    _logger.error("%s: what was read before stays in force: %s", self._name, error)
                    logged = failure
            else:
                self._signature, logged = signature, None
                self._is_successful.set(1)
                _logger.info("%s: read anew from %s", self._name, ", ".join(map(str, self._paths)))


def _signature(paths: Sequence[Path]) -> _Signature:
    """What changes whenever a file does, or its owner or mode; None for one that cannot be looked at. The time
    of the change is of it, which nobody can set."""
    signature: _Signature = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            signature.append(None)
        else:
            signature.append((found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino))
    return signature
