"""Hypotheses of a whole content: one of each of its segments."""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from server.serving.requests.part import Part
from server.text.steps import Steps


class _Chosen(NamedTuple):
    """One hypothesis of each of the first segments, as a chain from the last one back."""

    score: float
    """The sum of theirs."""
    before: "_Chosen | None"
    part: Part


class Combined(NamedTuple):
    score: float
    """The sum of the scores of its parts."""
    parts: list[Part]
    """One of each segment."""


def best_combinations(segments: Sequence[Sequence[Part]], number: int) -> Steps[list[Combined]]:
    """The best ways to take one hypothesis of each segment, by the sum of their scores.

    segments: of each its hypotheses, the best first, no text twice. As scores add up, the best combinations of the
    first segments are part of the best of all: time grows with the number of segments.
    """
    best: list[_Chosen | None] = [None]
    for parts in segments:
        if len(parts) == 1 == len(best):  # as mostly
            [before], [part] = best, parts
            best = [_Chosen((before.score if before else 0.0) + part.hypothesis.score, before, part)]
            continue
        longer = [
            _Chosen((before.score if before else 0.0) + part.hypothesis.score, before, part)
            for before in best
            for part in parts[:number]
        ]
        longer.sort(key=itemgetter(0), reverse=True)
        best = list(longer[:number])
        yield
    combinations = []
    for chosen in best:
        score, chain = chosen.score if chosen else 0.0, []
        while chosen:
            chain.append(chosen.part)
            chosen = chosen.before
        combinations.append(Combined(score, chain[::-1]))
        yield
    return combinations
