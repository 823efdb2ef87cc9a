"""Long work on the event loop, in slices between which others have their turn."""

import asyncio
import time
from typing import TypeVar

from server.text.steps import Steps

_Result = TypeVar("_Result")

SLICE_SECONDS = 0.002
PAUSE_SECONDS = 0.001
"""Between two slices. A call of a single sentence takes more than ten turns of the event loop, most of them short, so
that several fit into a pause; if a slice were done in each of them, the call would take ten slices longer."""


class Turns:
    """Of all work that takes longer than a slice, one slice is done at a time, with a pause behind it in which the
    event loop is for others; who waits goes first come, first served. What is done within one slice, as nearly all
    requests are, does not wait at all."""

    def __init__(self) -> None:
        self._slot = asyncio.Lock()  # wakes those who wait in the order in which they came

    async def take(self, steps: Steps[_Result]) -> _Result:
        """Returns what the steps return, and raises what they raise."""
        try:
            _advance(steps)
            while True:
                async with self._slot:
                    await asyncio.sleep(PAUSE_SECONDS)
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
