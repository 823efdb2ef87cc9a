"""The knee of a case: the highest offered rate at which it still answers in time, nearly always.

Each round that came to one has its knee, and the case has their median. A rate that was missed counts as held where it
was tried again in the same round and then held: the machine may have been slow once.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from loadtest.knee import MAX_ERROR_SHARE, MAX_P99_MS, holds
from loadtest.report.points import Point
from loadtest.report.words import plain_rate, rate_words

GOAL = f"p99 under {MAX_P99_MS:.0f} ms, errors under {MAX_ERROR_SHARE:.1%}"


class Knee(NamedTuple):
    model: str
    point: Point | None
    """The point at the knee; None where no measured rate held."""
    rounds: tuple[float, ...]
    """The knees of all rounds, ascending; 0 for a round in which no rate held."""
    broken: float | None
    """The lowest measured rate above the knee that did not hold; None where there is none."""
    doubted: bool
    """Whether rates above the knee were offered by a generator that was too slow, so that nothing is known of them."""

    @property
    def rate(self) -> float:
        """Calls a second; 0 where no measured rate held."""
        return self.point.rate if self.point else 0.0

    @property
    def at_least(self) -> str:
        """The rate in words, for a sentence that tells nothing else of the knee."""
        return rate_words(self.rate) if self.broken is not None else f"at least {rate_words(self.rate)}"

    @property
    def words(self) -> str:
        held = f"holds {rate_words(self.rate)}" if self.point else "holds none of the measured rates"
        if self.rounds and self.rounds[0] < self.rounds[-1]:
            held += f" (rounds: {plain_rate(self.rounds[0])} to {plain_rate(self.rounds[-1])})"
        if self.broken is not None and self.point:
            return f"{held}, breaks at {rate_words(self.broken)}"
        if self.doubted:
            return f"{held}; the load generator could not offer more"
        return f"{held}, the highest that was measured" if self.point else held


def find_knee(model: str, points: Iterable[Point]) -> Knee:
    """The knee of one model in one setting. Points of closed loops are passed over."""
    offered = sorted((point for point in points if point.load == "open"), key=lambda point: point.rate)
    believed = [record for point in offered for record in point.believed]
    by_round: dict[int, float] = {}
    for record in believed:
        by_round[record.round] = max(by_round.get(record.round, 0.0), record.rate if holds(record) else 0.0)
    ended = {record.round for record in believed if not holds(record)}
    if ended:  # a round in which nothing was missed was stopped before it came to its knee
        by_round = {number: knee for number, knee in by_round.items() if number in ended}
    rate = statistics.median_low(by_round.values()) if by_round else 0.0
    above = [point for point in offered if point.rate > rate]
    return Knee(
        model=model,
        point=next((point for point in offered if point.rate == rate), None),
        rounds=tuple(sorted(by_round.values())),
        broken=next((point.rate for point in above if point.is_believed and not point.holds), None),
        doubted=any(not point.is_believed for point in above),
    )


def point_at(points: Sequence[Point], rate: float) -> Point | None:
    """The believed point of the lowest offered rate that is at least `rate`."""
    enough = [point for point in points if point.load == "open" and point.is_believed and point.rate >= rate]
    return min(enough, key=lambda point: point.rate, default=None)


def light(points: Sequence[Point]) -> Point | None:
    """The believed point of the lowest offered rate."""
    return point_at(points, 0.0)
