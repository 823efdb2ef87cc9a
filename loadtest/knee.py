"""The search for the knee of a case: the highest rate at which it answers in time and without errors.

Policy alone: which rate is tried next, from the records that there are. Rates lie on one grid, so that cases and rounds
are compared at the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.records import Record

MAX_P99_MS = 250.0
MAX_ERROR_SHARE = 0.001

_BASE_RATE = 10.0
_GRID = 8
"""Rates between one and its double: each is a twelfth higher than the one below."""


def grid_rate(index: int) -> float:
    """Calls a second."""
    return round(_BASE_RATE * 2 ** (index / _GRID), 1)


def holds(record: Record) -> bool:
    """Whether the server has kept up."""
    return record.percentile(99) < MAX_P99_MS and record.error_share < MAX_ERROR_SHARE


@dataclass(frozen=True)
class Search:
    """First in steps, then by halves. A rate counts as missed that was not held twice: the machine may have been slow
    once."""

    first: int
    """Index of the first rate on the grid."""
    step: int
    """Distance of the first rates on the grid."""
    nearness: int
    """The highest rate that was held and the lowest that was missed are no further apart on the grid."""

    def next(self, records: Sequence[Record]) -> float | None:
        """The rate to be tried next; None at the end. `records`: of one case in an open loop, and of one round."""
        held, missed, tried_again = self._bounds(records)
        if tried_again is not None:
            return grid_rate(tried_again)
        if missed is None:
            return grid_rate(self.first if held is None else max(self.first, held + self.step))
        if held is None:
            return grid_rate(missed - self.step) if missed > 0 else None
        return grid_rate((held + missed) // 2) if missed - held > self.nearness else None

    def held(self, records: Sequence[Record]) -> int | None:
        """Index of the highest rate that was held, if one was."""
        return self._bounds(records)[0]

    def knee(self, records: Sequence[Record]) -> float:
        """The highest rate that was held; 0 if none was."""
        held = self.held(records)
        return 0.0 if held is None else grid_rate(held)

    def stopped(self, records: Sequence[Record]) -> str:
        """Why the knee may be higher than was found; empty if it is not."""
        _, missed, _ = self._bounds(records)
        return next((record.saturated for record in records if record.saturated and _index(record) == missed), "")

    def _bounds(self, records: Sequence[Record]) -> tuple[int | None, int | None, int | None]:
        """Highest index that was held, lowest that was missed, and one that was not held once. What is not to be
        believed was not held."""
        held: int | None = None
        failures: dict[int, int] = {}
        for record in records:
            index = _index(record)
            if holds(record) and not record.saturated:
                held = index if held is None else max(held, index)
            else:
                failures[index] = failures.get(index, 0) + 1
        above = {index: number for index, number in failures.items() if held is None or index > held}
        missed = min((index for index, number in above.items() if number > 1), default=None)
        once = [index for index, number in above.items() if number == 1 and (missed is None or index < missed)]
        return held, missed, min(once, default=None)


def _index(record: Record) -> int:
    return next(index for index in range(-_GRID, 20 * _GRID) if abs(grid_rate(index) - record.rate) < 0.05)
