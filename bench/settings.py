"""The settings of each server that are tried, and which of them is its best under load."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.load import MOST_BELOW, holds
from bench.sizes import Size

Flags = tuple[str, ...]
Load = Callable[[Flags, float], dict[str, Any]]
"""Flags of a server, calls a second -> what `Server.load` gives of a server that is started with them."""

RACE_GROWTH = 1.25
NUM_ENGINES = 2


def race(candidates: Sequence[Flags], first_rate: float, load: Load) -> tuple[Flags, list[dict[str, Any]]]:
    """Those that hold the rate go on to a higher one, until one is left, or none holds. Where none holds the first,
    lower ones are tried until some do: what is best under far too much need not be best. Of those that are left, the
    one with the fewest errors is the best, and of these the one with the lowest p99.

    Returns it, and every step with its `flags`; one candidate alone is not tried.
    """
    rate, steps = first_rate, []
    while len(candidates) > 1:
        tried = {flags: load(flags, rate) for flags in candidates}
        steps += [step | {"flags": " ".join(flags)} for flags, step in tried.items()]
        holding = [flags for flags, step in tried.items() if holds(step)]
        lower = rate / RACE_GROWTH**2
        is_over = rate < first_rate if holding else rate > first_rate or lower < first_rate / MOST_BELOW
        if is_over:
            order = {flags: (step["error_share"], step["p99"]) for flags, step in tried.items()}
            candidates = [min(holding or candidates, key=order.__getitem__)]
        elif holding:
            candidates, rate = holding, rate * RACE_GROWTH
        else:
            rate = lower
    return candidates[0], steps


def our_best(size: Size, quick: bool, load: Load) -> tuple[Flags, list[dict[str, Any]]]:
    engines: Flags = (f"--engines={NUM_ENGINES}",)
    if size.is_large:
        candidates: list[Flags] = [(*engines, "--max-rows=64")]
        if not quick:
            candidates += [(*engines, "--max-rows=32"), (*engines, "--max-rows=32", "--max-joining-tokens=256")]
            candidates += [(*engines, "--max-rows=64", "--max-joining-tokens=256"), ("--max-rows=64",)]
    else:
        candidates = [("--max-rows=32",), ("--max-rows=64",)]
        if not quick:
            candidates += [("--max-rows=128",), ("--max-rows=64", "--threads=2"), (*engines, "--max-rows=32")]
    return race(list(dict.fromkeys(candidates)), size.searched_rate, load)


def their_best(size: Size, quick: bool, load: Load) -> tuple[Flags, list[dict[str, Any]]]:
    """First translators, threads and batches, then how long a batch waits for more sentences."""
    translators = [("--translators=2",), ("--translators=1",), ("--translators=1", "--threads-each=2")]
    if quick:
        translators = translators[: 1 if size.is_large else 2]
    # A batch of a large model is of a few sentences, as more do not come while it is translated.
    batches = (32,) if quick or size.is_large else (16, 32, 64)
    wait = "--wait-ms=2" if size.is_large else "--wait-ms=5"
    candidates = [(*flags, f"--max-batch={batch}", wait) for flags in translators for batch in batches]
    first_rate = size.first_rate if size.is_large else size.searched_rate
    best, steps = race(candidates, first_rate, load)
    if not quick:
        waits = [(*best[:-1], f"--wait-ms={milliseconds}") for milliseconds in (0, 2, 5, 20, 50, 100, 150)]
        best, more = race(list(dict.fromkeys([best, *waits])), steps[-1]["rate"], load)
        steps += more
    return best, steps
