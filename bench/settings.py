"""The settings of each server that are tried, and which of them is its best under load."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.load import holds
from bench.sizes import Size

Flags = tuple[str, ...]
Load = Callable[[Flags, float], dict[str, Any]]
"""Flags of a server, calls a second -> what `Server.load` gives of a server that is started with them."""

RACE_GROWTH = 1.25
NUM_ENGINES = 2


def race(candidates: Sequence[Flags], first_rate: float, load: Load) -> tuple[Flags, list[dict[str, Any]]]:
    """Those that hold the rate go on to a higher one, until one is left or none holds: then that with the lowest p99 is
    the best. Returns it, and every step with its `flags`; one candidate alone is not tried."""
    rate, steps = first_rate, []
    while len(candidates) > 1:
        tried = {flags: load(flags, rate) for flags in candidates}
        steps += [step | {"flags": " ".join(flags)} for flags, step in tried.items()]
        candidates = [flags for flags, step in tried.items() if holds(step)]
        if not candidates:
            candidates = [min(tried, key=lambda flags: tried[flags]["p99"])]
        rate *= RACE_GROWTH
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
    batches, wait = ((32,) if quick else (16, 32, 64)), "--wait-ms=5"
    candidates = [(*flags, f"--max-batch={batch}", wait) for flags in translators for batch in batches]
    best, steps = race(candidates, size.searched_rate, load)
    if not quick:
        waits = [(*best[:-1], f"--wait-ms={milliseconds}") for milliseconds in (0, 2, 20, 50, 100, 150)]
        best, more = race([best, *waits], size.searched_rate, load)
        steps += more
    return best, steps
