"""Long work on the event loop, in slices between which others have their turn."""

import asyncio
import time
from typing import TypeVar

from server.text.steps import Steps

_Result = TypeVar("_Result")

SLICE_SECONDS = 0.002
"""A call of a single sentence takes some ten turns of the event loop, each of which may wait for a slice."""


class Turns:
    """Of all work that takes longer than a slice, one slice is done in a turn of the event loop; who waits goes first
    come, first served. What is done within one slice, as nearly all requests are, does not wait at all."""

    def __init__(self) -> None:
        self._slot = asyncio.Lock()  # wakes those who wait in the order in which they came

    async def take(self, steps: Steps[_Result]) -> _Result:
        """Returns what the steps return, and raises what they raise."""
        try:
            _advance(steps)
            while True:
                async with self._slot:
                    await asyncio.sleep(0)
                    _advance(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
        finally:
            steps.close()


def _advance(steps: Steps[_Result]) -> None:
    """One slice. Raises StopIteration at the end."""
    end = time.perf_counter() + SLICE_SECONDS
    while time.perf_counter() < end:
        next(steps)
