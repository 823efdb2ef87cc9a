"""How long steps take."""

import gc
import time

from server.text.steps import Steps


def longest_step(steps: Steps[object]) -> tuple[float, float]:
    """Processor seconds of the longest step, and of all of them; without those of a collection of garbage, which
    depend on all that the process has."""
    longest = total = 0.0
    is_done = False
    gc.disable()
    try:
        while not is_done:
            start = time.thread_time()
            is_done = next(steps, steps) is steps
            seconds = time.thread_time() - start
            longest, total = max(longest, seconds), total + seconds
    finally:
        gc.enable()
    return longest, total
