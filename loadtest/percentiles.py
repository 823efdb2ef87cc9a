"""Percentiles by nearest rank: always a value that was measured."""

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value that at least `percent` of all values do not exceed; None where there are no values."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None
