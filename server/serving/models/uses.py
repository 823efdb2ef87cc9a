"""Who still needs a version of a model that is to leave."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Uses:
    """Counts what needs a version, from the choice of the version to the answer. Used on the event loop's thread
    alone."""

    def __init__(self) -> None:
        self._number = 0
        self._is_unused = asyncio.Event()
        self._is_unused.set()

    def begin(self) -> None:
        self._number += 1
        self._is_unused.clear()

    def end(self) -> None:
        self._number -= 1
        if not self._number:
            self._is_unused.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        self.begin()
        try:
            yield
        finally:
            self.end()

    @property
    def is_none(self) -> bool:
        return not self._number

    async def wait_until_none(self) -> None:
        """Wait for the end of the last use."""
        while self._number:  # another may begin in the turn in which one ends
            await self._is_unused.wait()
