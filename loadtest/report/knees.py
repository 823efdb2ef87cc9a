"""The knee of a case: the highest offered rate at which it still answers in time, nearly always."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from loadtest.report.points import Point
from loadtest.report.words import rate_words

MAX_P99_MS = 250.0
MAX_ERROR_SHARE = 0.001
GOAL = f"p99 under {MAX_P99_MS:.0f} ms, errors under {MAX_ERROR_SHARE:.1%}"


class Knee(NamedTuple):
    model: str
    point: Point | None
    """Of the knee; None where no measured rate held."""
    broken: float | None
    """The lowest measured rate above the knee that did not hold; None where the knee is the highest believed rate."""
    doubted: bool
    """Whether rates above the knee were offered by a generator that was too slow, so that nothing is known of them."""
    failed_below: bool
    """Whether a rate below the knee did not hold, as on a machine that was busy for a while."""

    @property
    def rate(self) -> float:
        """Calls a second; 0 where no measured rate held."""
        return self.point.rate if self.point else 0.0

    @property
    def words(self) -> str:
        held = f"holds {rate_words(self.rate)}" if self.point else "holds none of the measured rates"
        if self.broken is not None:
            upper = f", breaks at {rate_words(self.broken)}"
        elif self.point is None:
            upper = ""
        elif self.doubted:
            upper = "; the load generator could not offer more"
        else:
            upper = ", the highest that was measured"
        return held + upper + (" (a lower rate did not hold: the machine was busy)" if self.failed_below else "")


def holds(point: Point) -> bool:
    return point.p99 < MAX_P99_MS and point.error_share < MAX_ERROR_SHARE


def find_knee(model: str, points: Iterable[Point]) -> Knee:
    """The knee of one model in one setting. Points of closed loops are passed over."""
    offered = sorted((point for point in points if point.load == "open"), key=lambda point: point.rate)
    believed = [point for point in offered if point.is_believed]
    knee = max((point for point in believed if holds(point)), key=lambda point: point.rate, default=None)
    rate = knee.rate if knee else 0.0
    failed = [point.rate for point in believed if not holds(point)]
    return Knee(
        model=model,
        point=knee,
        broken=min((failed_rate for failed_rate in failed if failed_rate > rate), default=None),
        doubted=any(point.rate > rate and not point.is_believed for point in offered),
        failed_below=any(failed_rate < rate for failed_rate in failed),
    )


def point_at(points: Sequence[Point], rate: float) -> Point | None:
    """The believed point of the lowest offered rate that is at least `rate`."""
    enough = [point for point in points if point.load == "open" and point.is_believed and point.rate >= rate]
    return min(enough, key=lambda point: point.rate, default=None)


def light(points: Sequence[Point]) -> Point | None:
    """The believed point of the lowest offered rate."""
    return point_at(points, 0.0)
