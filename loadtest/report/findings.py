"""A run, looked at: what every section of the report is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loadtest.records import Load, Record
from loadtest.report.knees import Knee, find_knee
from loadtest.report.points import Point, Setting, combine, labels, main_setting, setting
from loadtest.report.quality import Quality


@dataclass(frozen=True)
class Findings:
    records: Sequence[Record]
    quality: Quality | None

    @cached_property
    def points(self) -> list[Point]:
        return combine(self.records)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What models are called in the report, by their names, in the order of charts' colours and markers."""
        return labels(self.points)

    @cached_property
    def settings(self) -> list[Setting]:
        return list(dict.fromkeys(setting(point.case) for point in self.points))

    @cached_property
    def main(self) -> Setting | None:
        """The setting that architectures are compared in first."""
        return main_setting(self.points)

    def style(self, model: str) -> int:
        """Which colour, marker and dashes a model has in every chart."""
        return list(self.labels).index(model)

    def of(self, setting_: Setting | None, load: Load = "open") -> dict[str, list[Point]]:
        """The points of one setting by model, from the lowest load to the highest; models without any are left out."""
        chosen: dict[str, list[Point]] = {}
        for point in self.points:
            if setting(point.case) == setting_ and point.load == load:
                chosen.setdefault(point.case.model, []).append(point)
        return chosen

    def knees(self, setting_: Setting | None) -> list[Knee]:
        return [find_knee(model, points) for model, points in self.of(setting_).items()]

    @cached_property
    def main_knees(self) -> list[Knee]:
        return self.knees(self.main)

    def bleu(self, point: Point) -> float | None:
        return self.quality.of(point.case.model, point.case.decoding) if self.quality else None

    def model_bleu(self, model: str) -> float | None:
        """BLEU of a model with greedy decoding."""
        return self.quality.of(model, {}) if self.quality else None


def common_points(points: dict[str, list[Point]], highest: bool) -> dict[str, Point]:
    """Believed points that are compared with each other: of the highest rate that all hold, or the lowest that all
    have; where no rate is common to all, of the lowest rate of each."""
    believed = {model: [point for point in own if point.is_believed] for model, own in points.items()}
    believed = {model: own for model, own in believed.items() if own}
    common = set.intersection(*({point.rate for point in own} for own in believed.values())) if believed else set()
    held = [rate for rate in common if all(_at(own, rate).holds for own in believed.values())]
    rate = max(held, default=None) if highest and held else min(common, default=None)
    return {model: own[0] if rate is None else _at(own, rate) for model, own in believed.items()}


def _at(points: Sequence[Point], rate: float) -> Point:
    return next(point for point in points if point.rate == rate)
