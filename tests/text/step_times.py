"""How long steps take."""

import gc
import time
from collections.abc import Callable

from server.text.steps import Steps

_SHORT, _SHORT_IN_ALL = 0.005, 0.1
"""Seconds that no test objects to."""


def longest_step(make_steps: Callable[[], Steps[object]], num_tries: int = 4) -> tuple[float, float]:
    """Processor seconds of the longest step, and of all of them. Each step has its least time of several tries, as what
    else a machine does makes a step longer and never shorter, so that short ones need no other try; there is no
    collection of garbage meanwhile, which would depend on all that the process has."""
    gc.disable()
    try:
        least = _seconds_of_steps(make_steps())
        for _ in range(1, num_tries):
            if max(least) < _SHORT and sum(least) < _SHORT_IN_ALL:
                break
            least = [min(times) for times in zip(least, _seconds_of_steps(make_steps()), strict=True)]
    finally:
        gc.enable()
    return max(least), sum(least)


def _seconds_of_steps(steps: Steps[object]) -> list[float]:
    seconds = []
    is_done = False
    while not is_done:
        start = time.thread_time()
        is_done = next(steps, steps) is steps
        seconds.append(time.thread_time() - start)
    return seconds
